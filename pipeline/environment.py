"""The AWS settings in this process's environment, replaced for a while."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# With these there is nothing to read credentials from, and nobody to ask for some.
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def aws_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile there are no AWS_ variables (profiles, credentials, endpoints) but `settings`."""
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
