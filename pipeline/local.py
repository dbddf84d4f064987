"""Local AWS with the stack and the images of this project."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local_aws.config import DEFAULT_FILE, load_config
from local_aws.server import LocalAws
from local_aws.server import start as start_server
from pipeline.company import stack_parameters
from pipeline.settings import Settings
from pipeline.source_image import put_source_images
from pipeline.stack import Stack, read_stack

CONFIG = Path(__file__).parent.parent / DEFAULT_FILE


@dataclass(frozen=True)
class ProjectAws(LocalAws):
    """A running local AWS with the stack of this project."""

    stack: Stack


@contextmanager
def start(settings: Settings) -> Iterator[ProjectAws]:
    """Run a local AWS with the settings' region and stack, and point this process at it."""
    config = load_config(CONFIG)
    assert config.stack  # noqa: S101 - local_aws.yaml has one
    stack = replace(
        config.stack,
        name=settings.stack_name,
        parameters=stack_parameters(settings),
        tags=settings.tags,
    )
    with start_server(replace(config, region=settings.region, stack=stack)) as running:
        facts = read_stack(running.clients.client("cloudformation"), settings.stack_name)
        ecr = running.clients.client("ecr")
        put_source_images(ecr, facts.repository_uri, settings.base_image)
        yield ProjectAws(**vars(running), stack=facts)
