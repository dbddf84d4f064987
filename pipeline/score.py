"""Score a CSV file with the newest approved version, by a batch transform job.

Writes the same rows, in order, with the probability of the label as one more column. The file lies
here or in S3. The job is the one step of a pipeline of its own.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    from container.errors import InputError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline import cli, rehearsal
from pipeline.bootstrap import connect
from pipeline.data import split_uri
from pipeline.diagnosis import diagnose
from pipeline.execution.control import follow, start_execution
from pipeline.execution.progress import Follower, list_steps
from pipeline.serving.configuration import make_model
from pipeline.serving.versions import APPROVED, find_version
from pipeline.settings import Settings
from pipeline.terminal import make_console, say

from botocore.exceptions import ClientError

S3 = "s3://"


def main(argv: Sequence[str] | None = None) -> int:
    """Score, and write the rows with their probabilities."""
    parser = rehearsal.parser(__doc__)
    parser.add_argument(
        "rows", metavar="FILE", type=_source, help="CSV with a header, or its s3:// URI"
    )
    parser.add_argument(
        "--output",
        type=_target,
        metavar="FILE",
        help="default: NAME-scored.csv in the current folder",
    )
    return cli.run_with_settings(parser.parse_args(argv), _score, rehearsal.approved_version)


def _source(name: str) -> str:
    """Return what names the rows. A file that is not there is refused before a rehearsal trains."""
    if not (all(split_uri(name)) if name.startswith(S3) else Path(name).is_file()):
        problem = "no such file; name a local CSV file or s3://BUCKET/KEY"
        raise argparse.ArgumentTypeError(f"{name}: {problem}")
    return name


def _target(name: str) -> Path:
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{name}: is a folder, or its folder does not exist")
    return path


def _score(settings: Settings, arguments: argparse.Namespace) -> int:
    session, stack = connect(settings)
    s3, sagemaker = session.client("s3"), session.client("sagemaker")
    target = arguments.output or Path(f"{Path(arguments.rows.removesuffix('.gz')).stem}-scored.csv")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows, lines, scores = (folder / name for name in ("rows.csv", "rows.jsonl", "scores.jsonl"))
        if arguments.rows.startswith(S3):
            _download(s3, arguments.rows, rows)
        else:
            rows = Path(arguments.rows)

        # Importing the SDK takes seconds: only now that the file can be read.
        from pipeline.serving import batch

        count = batch.write_json_lines(rows, lines, arguments.rows)
        version = find_version(sagemaker, stack.model_package_group, arguments.version, APPROVED)
        with lines.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        place = f"{S3}{stack.bucket}/{batch.PREFIX}{settings.prefix}/{digest}"
        s3.upload_file(str(lines), *split_uri(f"{place}/rows/rows.jsonl"))
        pipeline = batch.build_scoring_pipeline(settings, stack, session)
        pipeline.upsert(stack.pipeline_role_arn, tags=settings.aws_tags)
        parameters = {
            batch.MODEL_NAME: make_model(sagemaker, settings, stack, version),
            batch.ROWS_URI: f"{place}/rows/",
            batch.SCORES_URI: f"{place}/version-{version.number}",
        }
        arn = start_execution(sagemaker, pipeline.name, parameters)
        follower = Follower(sagemaker, session.client("logs"), arn, make_console())
        interrupted = follow(follower)
        failed = [step for step in list_steps(sagemaker, arn) if step["StepStatus"] != "Succeeded"]
        if failed or interrupted:
            reason = failed[0].get("FailureReason", "stopped") if failed else "stopped"
            steps = f"aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn {arn}"
            say(f"error: {reason}\n{diagnose(reason) or f'hint: {steps}'}")
            return cli.INTERRUPTED if interrupted else cli.NOT_SUCCEEDED
        _download(s3, f"{parameters[batch.SCORES_URI]}/rows.jsonl.out", scores)
        batch.write_scored(rows, scores, target)
    print(f"{target}: {count} rows, scored by version {version.number}")
    if not arguments.local:
        say("next: .venv/bin/python pipeline/upsert_and_start.py, for another version")
    return cli.SUCCEEDED


def _download(s3: Any, uri: str, path: Path) -> None:
    try:
        s3.download_file(*split_uri(uri), str(path))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NoSuchBucket"):
            raise
        raise InputError(f"{uri}: there is no such object", f"aws s3 ls {uri}") from None


if __name__ == "__main__":
    raise SystemExit(main())
