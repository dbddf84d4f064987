"""Write the evidence page of an execution.

All facts are read back from the services, from the artifact, which is scored again, and from this
checkout. The page is in runs/<execution id>/, with its pictures and with report.zip for Notion.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    from container.errors import InputError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline import cli
from pipeline.endpoint import is_aws
from pipeline.evidence.pages import LANGUAGES, write_pages
from pipeline.execution.failure import diagnose_run
from pipeline.execution.progress import ENDED
from pipeline.execution.record import collect, save
from pipeline.instances import price_list
from pipeline.runs import RUNS, make_folder, recorded_runs, run_folder
from pipeline.serving.endpoint import endpoint_name, read_served
from pipeline.settings import Settings, load_settings

import boto3
from botocore.exceptions import ClientError

NO_SUCH_PIPELINE = ("ResourceNotFound", "ValidationException")  # AWS says the one, moto the other
EXECUTION_ARN = re.compile(
    r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):[0-9]{12}:pipeline/[^/]+/execution/[A-Za-z0-9-]+"
)


def latest_execution(sagemaker: Any, pipeline_name: str) -> str:
    """Return the ARN of the execution started last. Raises InputError when there is none."""
    hint = ".venv/bin/python pipeline/upsert_and_start.py starts one"
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline_name)
    try:
        found = [each for page in pages for each in page["PipelineExecutionSummaries"]]
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_SUCH_PIPELINE:
            raise
        raise InputError(
            f"pipeline {pipeline_name}: not in region {sagemaker.meta.region_name}", hint
        ) from None
    if not found:
        raise InputError(f"pipeline {pipeline_name}: it has no execution", hint)
    return str(max(found, key=lambda each: each["StartTime"])["PipelineExecutionArn"])


def check_ended(sagemaker: Any, execution_arn: str) -> None:
    """Check that an execution exists and has ended. Raises InputError."""
    try:
        execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
    except ClientError as error:
        if "NotFound" not in error.response["Error"]["Code"]:
            raise
        raise InputError(
            f"execution {execution_arn}: not at {sagemaker.meta.endpoint_url}",
            "use an ARN of this endpoint; the pages of a run with --local are in runs/",
        ) from None
    status = execution["PipelineExecutionStatus"]
    if status not in ENDED:
        raise InputError(
            f"execution {execution_arn}: {status}, not ended yet",
            "run the command again when it has ended",
        )


def local_pages(settings: Settings, execution: str) -> list[Path]:
    """Return the pages of a run with --local, which were written at its end.

    Its local AWS has ended, so nothing can be read back. Raises InputError when there is no page.
    """
    for record in recorded_runs(RUNS, settings.region, settings.pipeline_name):
        if execution in ("latest", record["execution_arn"]) and not is_aws(record["endpoint"]):
            folder = run_folder(record["execution_arn"], RUNS)
            pages = [folder / name for name in LANGUAGES.values()]
            return [page for page in pages if page.exists()]
    raise InputError(
        f"execution {execution}: no run of {settings.pipeline_name} with --local is in {RUNS}/",
        ".venv/bin/python pipeline/upsert_and_start.py --local starts one and writes its pages",
    )


def read_pages(settings: Settings, config: Path, execution: str, language: str) -> list[Path]:
    """Read an execution back from the account, and write its page. Raises InputError."""
    session = boto3.Session(region_name=settings.region)
    sagemaker, s3 = session.client("sagemaker"), session.client("s3")
    if execution == "latest":
        execution = latest_execution(sagemaker, settings.pipeline_name)
    match = EXECUTION_ARN.fullmatch(execution)
    if match is None:
        raise InputError(
            f"execution {execution!r}: not the ARN of an execution",
            "give arn:aws:sagemaker:REGION:ACCOUNT:pipeline/NAME/execution/ID, or latest",
        )
    if match[1] != settings.region:
        raise InputError(
            f"execution {execution}: in {match[1]}, while region is {settings.region}",
            f"set region to {match[1]} in {config}",
        )
    check_ended(sagemaker, execution)
    make_folder(RUNS)
    pricing = price_list.pricing_client(session, settings.region, price_list.CLIENT_CONFIG)
    served = read_served(sagemaker, endpoint_name(settings))
    record = collect(sagemaker, s3, session.client("ecr"), pricing, execution, served)
    diagnosis, _ = diagnose_run(session.client("logs"), record)
    record["diagnosis"] = diagnosis.id if diagnosis else None
    folder = run_folder(execution, RUNS)
    if not folder.exists():  # the record that was made at the end of the run stays
        save(s3, record, RUNS)
    return write_pages(session, settings, config, record, folder, [language])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the evidence page of a recorded run, and return the exit code."""
    parser = cli.local_parser(__doc__)
    parser.add_argument(
        "execution",
        nargs="?",
        default="latest",
        metavar="EXECUTION_ARN",
        help="of an execution that has ended [default: latest, the last one of pipeline_name]",
    )
    parser.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of the page [default: en]"
    )
    given = parser.parse_args(argv)

    def command() -> int:
        settings = load_settings(given.config)
        if given.local:
            pages = local_pages(settings, given.execution)
        else:
            pages = read_pages(settings, given.config, given.execution, given.language)
        print(*pages, sep="\n")
        return cli.SUCCEEDED

    return cli.run(command, given.config)


if __name__ == "__main__":
    raise SystemExit(main())
