"""Build the training image in CodeBuild and push it, under the tag of container/'s content.

The command uploads container/ and the other files of the build, starts the build, prints its log,
and prints the image with its digest. An image that ECR already has is not built again.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

try:
    from container.errors import InputError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from container.reading import read_rows
from container.schema import LABEL
from local_aws import interrupts
from pipeline import cli
from pipeline.bootstrap import connect
from pipeline.data import Dataset, prepare, to_csv
from pipeline.diagnosis import diagnose
from pipeline.execution.log_stream import LAST_LINES, LogStream
from pipeline.git import git
from pipeline.image import (
    CONTAINER,
    REQUIREMENTS,
    image_tag,
    resolve_image,
    source_files,
    untracked_sources,
)
from pipeline.registry import RegistryError, find_digest
from pipeline.settings import Settings, load_settings
from pipeline.terminal import make_console, say

from project_archive import pack_files
from rich.console import Console

ROOT = CONTAINER.parent
BUILDSPEC = Path(__file__).parent / "buildspec.yml"
SBOM = Path(__file__).parent / "sbom.py"
SMOKE = "build/smoke"  # the /opt/ml of the training that the build tries
SMOKE_ROWS = 20  # of each label in each channel
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0
UNKNOWN = (
    "correct the error in the last lines (see base_image in pipeline.yaml, container/Dockerfile)"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Build and push the image if ECR does not have it, and return the exit code."""
    arguments = cli.parser(__doc__).parse_args(argv)
    return cli.run(lambda: _push(arguments.config, make_console()), arguments.config)


def _push(config: Path, console: Console) -> int:
    settings = load_settings(config)
    session, stack = connect(settings)
    ecr, tag = session.client("ecr"), image_tag(settings.accelerator, settings.base_image)
    try:
        image_uri = resolve_image(ecr, stack.repository_uri, tag)
        say(f"image {tag}: already in ECR, nothing is built", console)
    except InputError:
        key = f"build/{tag}.zip"
        session.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=pack(prepare(settings)))
        build(
            session.client("codebuild"),
            session.client("logs"),
            stack.build_project,
            f"{stack.bucket}/{key}",
            build_variables(settings, base_digest(settings.base_image, console)),
            console,
        )
        image_uri = resolve_image(ecr, stack.repository_uri, tag)
    print(image_uri)
    return cli.SUCCEEDED


def pack(dataset: Dataset) -> bytes:
    """Return the files that a build needs, as a zip archive with fixed times.

    These are container/, the program that writes the SBOM, and a sample of the data.
    """
    if missing := untracked_sources():
        raise InputError(
            f"container/{missing[0]}: git does not track it, so the image would lack it",
            f"git add {' '.join(f'container/{name}' for name in missing)}, or move it elsewhere",
        )
    files = {f"{CONTAINER.name}/{name}": content for name, content in source_files().items()}
    sbom = {SBOM.relative_to(ROOT).as_posix(): SBOM.read_bytes()}
    return pack_files(files | sbom | smoke_files(dataset))


def smoke_files(dataset: Dataset) -> dict[str, bytes]:
    """Return the /opt/ml tree for a training of five rounds on a few rows of each channel."""
    files = {f"{SMOKE}/input/config/hyperparameters.json": json.dumps({"num_round": "5"}).encode()}
    for channel, content in dataset.channels.items():
        rows = read_rows(content, channel, labelled=True)
        sample = rows.groupby(LABEL).head(SMOKE_ROWS)
        files[f"{SMOKE}/input/data/{channel}/{channel}.csv"] = to_csv(sample)
    return files


def base_digest(base_image: str, console: Console) -> str | None:
    """Return the digest of the base image, or None if the registry does not give it."""
    try:
        return find_digest(base_image)
    except RegistryError as error:
        say(f"warning: base image {base_image} is not pinned by digest: {error}", console)
        return None


def build_variables(settings: Settings, digest: str | None) -> dict[str, str]:
    """Return the environment variables that build/buildspec.yml reads.

    Args:
        settings: The settings of pipeline.yaml.
        digest: The digest of the base image, or None to pull it by its tag.
    """
    name = settings.base_image.partition("@")[0]
    return {
        "IMAGE_TAG": image_tag(settings.accelerator, settings.base_image),
        "BASE_IMAGE": f"{name}@{digest}" if digest else settings.base_image,
        "REQUIREMENTS": REQUIREMENTS[settings.accelerator],
        **source_revision(),
    }


def source_revision() -> dict[str, str]:
    """Return the commit and its date, for the image's labels; `unknown` outside a git checkout."""
    return {
        "SOURCE_REVISION": git(ROOT, "rev-parse", "HEAD") or "unknown",
        "SOURCE_CREATED": git(ROOT, "show", "-s", "--format=%cI", "HEAD") or "unknown",
    }


def build(
    codebuild: Any,
    logs: Any,
    project: str,
    source: str,
    variables: dict[str, str],
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Start a build and wait for its end. Ctrl-C stops the build.

    Raises InputError with the failed phase and the last lines of its log.
    """
    started = codebuild.start_build(
        projectName=project,
        sourceLocationOverride=source,
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
        ],
    )["build"]
    say(f"build {started['id']}", console)
    try:
        described, lines = _follow(codebuild, logs, started["id"], console, sleep)
    except KeyboardInterrupt:
        codebuild.stop_build(id=started["id"])
        say(f"build {started['id']} stopped", console)
        raise
    if described["buildStatus"] != "SUCCEEDED":
        message = _failure(described, lines)
        diagnosis = diagnose("\n".join([message, *lines]))
        if diagnosis is None:
            raise InputError(message, UNKNOWN)
        raise InputError(f"{message}\n{diagnosis.explanation}", diagnosis.fix)


def _follow(
    codebuild: Any, logs: Any, build_id: str, console: Console, sleep: Callable[[float], None]
) -> tuple[dict[str, Any], list[str]]:
    """Return the description of the ended build, and its log."""
    log: LogStream | None = None
    lines: list[str] = []
    began, pause = time.monotonic(), FIRST_POLL_SECONDS
    with console.status("waiting for the build") as spinner:
        while True:
            interrupts.check()
            # The status first: what the log holds after the build has ended is then complete.
            described: dict[str, Any] = codebuild.batch_get_builds(ids=[build_id])["builds"][0]
            place = described.get("logs", {})
            if log is None and "streamName" in place:
                log = LogStream(logs, place["groupName"], place["streamName"])
            for line in log.new_lines() if log else ():
                lines.append(line)
                say(f"  {line}", console, indent=4)
            if described["buildComplete"]:
                return described, lines
            phase = described.get("currentPhase", "QUEUED").lower().replace("_", " ")
            spinner.update(f"build: {phase}, {time.monotonic() - began:.0f} s")
            sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)


def _failure(described: dict[str, Any], lines: list[str]) -> str:
    failed: dict[str, Any] = next(
        (p for p in described["phases"] if p.get("phaseStatus") == "FAILED"), {}
    )
    reasons = [context["message"] for context in failed.get("contexts", [])]
    where = f"phase {failed['phaseType']}: {'; '.join(reasons)}" if failed else "no phase failed"
    last = "".join(f"\n  {line}" for line in lines[-LAST_LINES:])
    return f"build {described['id']} {described['buildStatus']}: {where}; its last lines:{last}"


if __name__ == "__main__":
    raise SystemExit(main())
