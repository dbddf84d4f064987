"""The choice of a runner: the first entry of `images` that matches the URI of the job's image."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from local_aws.certificates import CertificateAuthority
from local_aws.clients import Clients
from local_aws.config import Config, Image
from local_aws.errors import JobFailed, UserError
from local_aws.guard import Guard
from local_aws.runners.gateway import open_gateway
from local_aws.runners.process import ProcessRunner
from local_aws.runners.runner import ContainerSpec, Runner, Started
from local_aws.workspace import Workspace


class RunnerTable:
    """The entries of `images`, each with its runner."""

    def __init__(self, entries: Sequence[tuple[Image, Runner]]) -> None:
        self._entries = entries

    @property
    def description(self) -> str:
        """A text for the user: how jobs run."""
        found = dict.fromkeys(runner.description for _, runner in self._entries)
        return "; others: ".join(found) or "no job can run: the configuration has no `images`"

    def refusal(self, uri: str) -> str | None:
        """Return why jobs of the image `uri` cannot run, and the missing entry; else None."""
        if self._find(uri):
            return None
        _, slash, name = uri.rpartition("/")
        pattern = ("*/" if slash else "") + name.partition("@")[0].partition(":")[0] + "*"
        return (
            f"no entry of `images` in the configuration of local AWS matches {uri}: add one to "
            f'local_aws.yaml, such as `- {{match: "{pattern}", docker: true}}`, or with '
            "`python: PATH` or `command: [...]` in place of `docker: true`"
        )

    def has(self, uri: str) -> bool:
        """Return whether a runner has the image, so that ECR does not need it."""
        found = self._find(uri)
        return bool(found and found[1].has(uri))

    def most_instances(self, uri: str) -> int:
        """Return the maximum number of instances of a job of the image `uri`."""
        found = self._find(uri)
        return found[1].most_instances if found else 1

    def start(self, spec: ContainerSpec) -> Started:
        """Start the program of a job on every host.

        Raises:
            JobFailed: The program cannot be started. Nothing of it is left running.
        """
        found = self._find(spec.image)
        if not found:
            raise JobFailed(f"ClientError: {self.refusal(spec.image)}")
        image, runner = found
        return runner.start(spec, image)

    def _find(self, uri: str) -> tuple[Image, Runner] | None:
        return next((entry for entry in self._entries if entry[0].matches(uri)), None)


@contextmanager
def open_runners(
    config: Config,
    clients: Clients,
    workspace: Workspace,
    guard: Guard,
    authority: CertificateAuthority,
) -> Iterator[RunnerTable]:
    """Copy the sources of the configured images, and yield their runners.

    Raises UserError if the Docker SDK, the engine, the registry or a source is missing.
    """
    images = (Image("*", docker=True),) if config.containers else config.images
    runners: dict[bool, Runner] = {False: ProcessRunner(clients, workspace)}
    with ExitStack() as ending:
        if any(image.docker for image in images):
            try:
                from local_aws.runners import docker, engine
            except ImportError:
                raise UserError(
                    "the Docker SDK is not installed", "pip install 'sagemaker-local-aws[docker]'"
                ) from None
            from local_aws.ecr import registry

            connected, host = engine.connect(), ""
            if config.containers:
                host = ending.enter_context(registry.start(clients, workspace))
            gateway = ending.enter_context(open_gateway(guard, authority, connected))
            runners[True] = docker.ContainerRunner(connected, clients, workspace, host, gateway)
        folder = ending.enter_context(workspace.folder())
        copied = [_copied(image, folder / str(number)) for number, image in enumerate(images)]
        yield RunnerTable([(image, runners[image.docker]) for image in copied])


def _copied(image: Image, folder: Path) -> Image:
    """Copy the source of an entry, and return the entry with the copy, also in its command."""
    if image.source is None:
        return image
    copy = folder / image.source.name
    try:
        shutil.copytree(image.source, copy)
    except OSError as error:
        raise UserError(
            f"image {image.match}: source {image.source}: {error.strerror or error}",
            "name a folder that can be read",
        ) from None
    environment = {"PYTHONPATH": str(folder), **image.environment}
    command = [str(copy / each) if (copy / each).is_file() else each for each in image.command]
    return replace(image, command=tuple(command), environment=environment)
