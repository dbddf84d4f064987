"""S3 URIs, and the paths of the files that S3 keys become."""


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key, or prefix, of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
