"""Train through the pipeline: create or update it in SageMaker, start it, wait for the end.

The steps are settings, data, image, definition, execution, record. With --local the same calls go
to local AWS, an emulator that runs for this command; without it, to AWS. The results are in
runs/<execution id>/: the record, the model and the evidence page.
"""

import argparse
import json
import uuid
from collections.abc import Sequence
from importlib import import_module
from threading import Thread

try:
    from pipeline import cli, preflight
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline.bootstrap import bootstrap
from pipeline.data import upload
from pipeline.endpoint import is_aws
from pipeline.evidence.pages import LANGUAGES, write_pages
from pipeline.execution.control import follow, start_execution
from pipeline.execution.cost import Ceiling, ask_most_expensive, check_ceiling
from pipeline.execution.failure import diagnose_run, failure, symptoms
from pipeline.execution.progress import Follower
from pipeline.execution.record import collect, save
from pipeline.execution.summary import INDENT, summary
from pipeline.image import source_tag
from pipeline.instances import price_list
from pipeline.instances.survey import SURVEY_FILE, save_survey, take_survey
from pipeline.runs import RUNS, make_folder
from pipeline.serving.endpoint import endpoint_name, read_served
from pipeline.settings import SMALLEST, Settings, listed_types, load_settings
from pipeline.terminal import Stage, make_console, say, stages
from pipeline.workflow.parameters import (
    CACHE_KEY,
    IMAGE_URI,
    instances_of,
    other_data,
    parse_overrides,
)

from rich.console import Console


def main(argv: Sequence[str] | None = None) -> int:
    """Run all steps from the settings to the report, and return the exit code."""
    arguments = parse_arguments(argv)
    return cli.run(lambda: _main(arguments), arguments.config)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line. Wrong arguments end the program with exit code 2."""
    parser = cli.local_parser(__doc__)
    parser.add_argument("--dry-run", action="store_true", help="print the definition; send nothing")
    parser.add_argument(
        "--no-wait", action="store_true", help="return as soon as the execution has started"
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="train even if an equal training job succeeded"
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a pipeline parameter for this execution only (may be repeated)",
    )
    parser.add_argument(
        "--no-preflight", action="store_true", help="start without the preflight checks"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print all ARNs, URIs and phases at the end"
    )
    arguments = parser.parse_args(argv)
    if arguments.local and arguments.no_wait:
        parser.error("--no-wait is not possible with --local, which ends with this command")
    return arguments


def _main(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config)
    console = make_console()
    with stages(console) as stage:
        stage("starting local AWS" if arguments.local else "reading the stack")
        with cli.endpoint(arguments, settings):
            return train(settings, arguments, console, stage)


def train(settings: Settings, arguments: argparse.Namespace, console: Console, stage: Stage) -> int:
    """Upsert the pipeline, start it and follow it to its end; return the exit code."""
    stage(f"reading {settings.data_file.name} and the stack")
    asked = settings.instance_type
    settings, session, stack, dataset, image_uri = bootstrap(settings)
    s3, ecr = session.client("s3"), session.client("ecr")
    if asked == SMALLEST:
        say(f"smallest instance: {settings.instance_type}", console)
    if settings.better_than_served:
        from pipeline.serving.gate import with_served_auc  # imports XGBoost

        settings = with_served_auc(session, settings, dataset)
        say(f"minimum validation AUC: {settings.min_validation_auc}", console)

    stage("building the pipeline's definition")
    # Importing the SDK takes seconds: only now that nothing else is missing.
    from pipeline.definition import DESCRIPTION, Inputs, build_pipeline

    inputs = Inputs(image_uri, source_tag(), dataset.uris(stack.bucket, settings.prefix))
    pipeline = build_pipeline(settings, stack, inputs, session)
    definition = json.loads(pipeline.definition())
    parameters = parse_overrides(arguments.parameter, definition, settings)
    if arguments.no_cache:
        parameters[CACHE_KEY] = uuid.uuid4().hex
    instance_type, instances = instances_of(definition, parameters, settings)
    pricing = price_list.pricing_client(session, settings.region, price_list.CLIENT_CONFIG)
    priced_type, price = ask_most_expensive(pricing, settings.region, listed_types(instance_type))
    on_aws = is_aws(s3.meta.endpoint_url)
    if note := check_ceiling(price, priced_type, instances, settings, on_aws=on_aws):
        say(note, console)
    if not arguments.no_preflight:
        stage(f"preflight: {len(preflight.CHECKS)} checks")
        settings = settings.model_copy(
            update={"instance_type": instance_type, "instance_count": instances}
        )
        uri, data = parameters.get(IMAGE_URI, image_uri), other_data(parameters)
        code = preflight.before_start(session, settings, stack, dataset, uri, definition, data)
        if code != cli.SUCCEEDED:
            return code
    if arguments.dry_run:
        stage(None)
        print(json.dumps(definition, indent=2))
        say(f"dry run: nothing was sent; parameters given: {parameters}", console)
        return cli.SUCCEEDED

    if not arguments.no_wait:
        make_folder(RUNS)
    stage("uploading the data, updating the pipeline")
    upload(s3, dataset, stack.bucket, settings.prefix)
    pipeline.upsert(stack.pipeline_role_arn, DESCRIPTION, settings.aws_tags)
    sagemaker = session.client("sagemaker")
    execution_arn = start_execution(sagemaker, settings.pipeline_name, parameters)
    stage(None)
    if arguments.no_wait:
        print(execution_arn)
        return cli.SUCCEEDED
    say(f"execution {execution_arn}", console, indent=10)

    logs = session.client("logs")
    ceiling = Ceiling(price, settings.max_cost_usd)
    follower = Follower(sagemaker, logs, execution_arn, console, ceiling)
    # The pictures' library takes half a second: imported while the job runs.
    Thread(target=import_module, args=["pipeline.evidence.pictures"]).start()
    interrupted = follow(follower)
    stage("reading the results back")
    served = read_served(sagemaker, endpoint_name(settings))
    record = collect(sagemaker, s3, ecr, pricing, execution_arn, served)
    because = follower.stopped_because
    diagnosis, lines = diagnose_run(logs, record, because)
    record["diagnosis"] = diagnosis.id if diagnosis else None
    stage(None)
    out = make_console(stderr=False)
    try:
        folder = save(s3, record, RUNS)
    finally:  # what was trained is told, also where it cannot be kept
        say(summary(record, arguments.verbose), out, INDENT)
    say(f"{'record':<12}  {folder}", out)
    if arguments.local:  # an account can be asked at any time, a local AWS only now
        stage("finding the smallest instance")
        save_survey(take_survey(session, settings, [record])[1], folder / SURVEY_FILE)
    stage("writing the evidence pages")
    # In every language now: after --local, what they are read back from is gone.
    pages = write_pages(session, settings, arguments.config, record, folder, LANGUAGES)
    stage(None)
    say(f"{'pages':<12}  {' '.join(str(path) for path in pages)}", out, INDENT)
    if record["status"] == "Succeeded":
        if diagnosis:
            say(f"note: {symptoms(record, lines)}\n{diagnosis}")
        if record["model_package_arn"] and not arguments.local:
            version = record["model_package_arn"].rpartition("/")[2]
            say(f"next: .venv/bin/python pipeline/approve.py {version} --reason TEXT")
        return cli.SUCCEEDED
    say(f"error: {failure(record, diagnosis, lines, because)}")
    return cli.INTERRUPTED if interrupted else cli.NOT_SUCCEEDED


if __name__ == "__main__":
    raise SystemExit(main())
