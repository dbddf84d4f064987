"""Chooses how a job is run: by the first entry of `images` that matches the URI of its image."""

from collections.abc import Sequence

from local_aws.config import Image
from local_aws.errors import JobFailed
from local_aws.runners.runner import ContainerSpec, Runner, Started


class RunnerTable:
    """The `images` of the configuration, each with its runner."""

    def __init__(self, entries: Sequence[tuple[Image, Runner]]) -> None:
        self._entries = entries

    @property
    def description(self) -> str:
        """How jobs are run, for the user."""
        found = dict.fromkeys(runner.description for _, runner in self._entries)
        return "; others: ".join(found) or "no job can run: the configuration has no `images`"

    def refusal(self, uri: str) -> str | None:
        """Return why no job of the image `uri` can run, with what to add; None when one can."""
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
        """Return whether the image is there without being in ECR."""
        found = self._find(uri)
        return bool(found and found[1].has(uri))

    def most_instances(self, uri: str) -> int:
        """Return how many instances a job of the image `uri` may have."""
        found = self._find(uri)
        return found[1].most_instances if found else 1

    def start(self, spec: ContainerSpec) -> Started:
        """Start the program of a job on every host.

        Raises:
            JobFailed: It cannot be started; then nothing of it is left.
        """
        found = self._find(spec.image)
        if not found:
            raise JobFailed(f"ClientError: {self.refusal(spec.image)}")
        image, runner = found
        return runner.start(spec, image)

    def _find(self, uri: str) -> tuple[Image, Runner] | None:
        return next((entry for entry in self._entries if entry[0].matches(uri)), None)
