"""Whether a call goes to AWS, or to a place such as local AWS."""

from urllib.parse import urlsplit

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def is_aws(endpoint: str) -> bool:
    """Whether an endpoint is one of AWS's own."""
    return (urlsplit(endpoint).hostname or "").endswith(AWS_DOMAINS)
