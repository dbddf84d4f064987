"""The AWS settings in the environment of this process, replaced for a while."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# With these no credentials are read from files or asked for over the network.
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def aws_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Replace all AWS_ variables (profiles, credentials, endpoints) with `settings`.

    The environment is restored at the end.
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
