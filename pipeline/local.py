"""Local AWS with the stack and the images of this project."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local_aws.config import DEFAULT_FILE, Config, load_config
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


def make_config(region: str, stack_name: str) -> Config:
    """Return the configuration of local_aws.yaml for another region and name of the stack."""
    config = load_config(CONFIG)
    assert config.stack  # noqa: S101 - local_aws.yaml has one
    return replace(config, region=region, stack=replace(config.stack, name=stack_name))


@contextmanager
def start(settings: Settings) -> Iterator[ProjectAws]:
    """Run a local AWS with the settings' region and stack, and point this process at it."""
    config = make_config(settings.region, settings.stack_name)
    assert config.stack  # noqa: S101 - make_config has named it
    parameters, tags = stack_parameters(settings), settings.tags
    stack = replace(config.stack, parameters=parameters, tags=tags)
    with start_server(replace(config, stack=stack)) as running:
        facts = read_stack(running.clients.client("cloudformation"), settings.stack_name)
        ecr = running.clients.client("ecr")
        put_source_images(ecr, facts.repository_uri, settings.base_image)
        yield ProjectAws(**vars(running), stack=facts)
