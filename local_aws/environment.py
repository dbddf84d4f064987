"""The AWS variables in the environment of this process, replaced temporarily."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LOOPBACK_NAMES = "localhost,127.0.0.1,::1"

# With these no credentials are read from files or asked for over the network.
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def aws_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Replace all AWS_ variables (profiles, credentials, endpoints) by `settings`.

    The end of the context restores the environment.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def proxy_environment(proxy: str, bundle: Path, direct: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables that make a program use `proxy` for all hosts but loopback.

    Args:
        proxy: URL of the proxy.
        bundle: File with the certificate of the proxy's authority.
        direct: Other host names that are called without the proxy.
    """
    return {
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy),
        **dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(bundle)),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join([LOOPBACK_NAMES, *direct])),
    }
