"""Push a placeholder image of container/ to a running local AWS (see `source_image`)."""

try:
    from container.errors import InputError
    from local_aws import collector
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline import cli
from pipeline.settings import DEFAULT_CONFIG, load_settings
from pipeline.source_image import put_source_images
from pipeline.stack import read_stack

import boto3

AGREE = "region and stack in local_aws.yaml must be region and stack_name of pipeline.yaml"


def main() -> int:
    """Push an image for each accelerator to the stack's repository; return the exit code."""
    return cli.run(_push)


def _push() -> int:
    session = boto3.Session()
    settings = load_settings(DEFAULT_CONFIG)
    try:
        stack = read_stack(session.client("cloudformation"), settings.stack_name)
    except InputError as error:
        raise InputError(error.args[0], AGREE) from None
    put_source_images(session.client("ecr"), stack.repository_uri, settings.base_image)
    return cli.SUCCEEDED


if __name__ == "__main__":
    collector.postpone()
    raise SystemExit(main())
