"""The distinction between AWS and other endpoints, such as local AWS."""

from urllib.parse import urlsplit

from local_aws.partitions import service_part


def is_aws(endpoint: str) -> bool:
    """Return whether an endpoint is one of AWS's own, in any partition."""
    return service_part(urlsplit(endpoint).hostname or "") is not None
