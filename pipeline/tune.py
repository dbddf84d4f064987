"""Search for better hyperparameters, and print the best ones in the form of pipeline.yaml.

The `tuning` block of pipeline.yaml defines the search. The training jobs cross-validate inside the
training data and make no model. The validation data are only for the quality gate.
"""

import argparse
import json
from collections.abc import Sequence

try:
    from container.contract import TRAIN_CHANNEL
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from container.errors import InputError
from pipeline import cli, preflight
from pipeline.bootstrap import bootstrap
from pipeline.data import upload
from pipeline.diagnosis import diagnose
from pipeline.endpoint import is_aws
from pipeline.execution.control import follow, start_execution
from pipeline.execution.cost import check_ceiling
from pipeline.image import source_tag
from pipeline.instances import price_list
from pipeline.runs import RUNS, make_folder
from pipeline.settings import Settings, check_change, load_settings
from pipeline.terminal import make_console, say
from pipeline.tuning.trials import TrialFollower, as_yaml, best, collect, compare, save, table
from pipeline.tuning_settings import BAYESIAN, GRID, RANDOM, Tuning

from rich.console import Console


def main(argv: Sequence[str] | None = None) -> int:
    """Search hyperparameters in a tuning job, print the trials, and return the exit code."""
    parser = cli.local_parser(__doc__)
    parser.add_argument(
        "--jobs", metavar="N", help="number of training jobs [default: tuning.jobs]"
    )
    parser.add_argument(
        "--parallel", metavar="N", help="how many run at a time [default: tuning.parallel]"
    )
    parser.add_argument(
        "--no-preflight", action="store_true", help="start without the preflight checks"
    )
    parser.add_argument(
        "--strategy",
        choices=(RANDOM, GRID, BAYESIAN),
        help="how values are chosen [default: tuning.strategy]",
    )
    arguments = parser.parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        tuning = chosen(settings, arguments)
        console = make_console()
        with cli.endpoint(arguments, settings):
            return _tune(settings, tuning, arguments.no_preflight, console)

    return cli.run(command, arguments.config)


def chosen(settings: Settings, arguments: argparse.Namespace) -> Tuning:
    """Return the tuning block with the changes of the arguments.

    Raises InputError when there is no block, or a changed value is not allowed.
    """
    if settings.tuning is None:
        raise InputError(
            f"{arguments.config}: there is no tuning block",
            "copy the block of the project's own file",
        )
    changes = {
        name: value
        for name in ("jobs", "parallel", "strategy")
        if (value := getattr(arguments, name)) is not None
    }
    changed = settings.tuning.model_dump() | changes
    try:
        check_change(settings, "tuning", changed)
    except ValueError as error:
        raise InputError(str(error), f"correct tuning in {arguments.config}, or --help") from None
    return Tuning.model_validate(changed)


def _tune(settings: Settings, tuning: Tuning, unchecked: bool, console: Console) -> int:
    settings, session, stack, dataset, image_uri = bootstrap(settings)
    first = settings.instance_types[0]  # a list of types is for one training job
    settings = settings.model_copy(update={"instance_type": first})
    pricing = price_list.pricing_client(session, settings.region, price_list.CLIENT_CONFIG)
    price = price_list.ask_price(pricing, settings.region, first)
    kept = settings.warm_pool_seconds or 0
    on_aws = is_aws(session.client("s3").meta.endpoint_url)
    if note := check_ceiling(price, first, tuning.trials + 1, settings, kept, on_aws=on_aws):
        say(note, console)

    # Importing the SDK takes seconds: only now that nothing else is missing.
    from pipeline.definition import Inputs
    from pipeline.tuning.definition import build_tuning_pipeline

    inputs = Inputs(image_uri, source_tag(), dataset.uris(stack.bucket, settings.prefix))
    pipeline = build_tuning_pipeline(settings, tuning, stack, inputs, session)
    if not unchecked:
        code = preflight.before_start(
            session,
            settings.model_copy(
                update={"pipeline_name": pipeline.name, "instance_count": tuning.at_once}
            ),
            stack,
            dataset,
            image_uri,
            json.loads(pipeline.definition()),
            {},
        )
        if code != cli.SUCCEEDED:
            return code
    make_folder(RUNS)
    upload(session.client("s3"), dataset, stack.bucket, settings.prefix)
    pipeline.upsert(stack.pipeline_role_arn, tags=settings.aws_tags)
    sagemaker = session.client("sagemaker")
    execution_arn = start_execution(sagemaker, pipeline.name, {})
    say(f"execution {execution_arn}", console, indent=10)
    data_uri = inputs.data_uris[TRAIN_CHANNEL]
    say(f"{tuning.strategy} search, {tuning.trials} training jobs on {data_uri}", console)
    logs = session.client("logs")
    follower = TrialFollower(sagemaker, logs, execution_arn, console, tuning.trials)
    interrupted = follow(follower)

    record = collect(sagemaker, execution_arn)
    winner = best(record)
    present, out = record["present"], make_console(stderr=False)
    say(table(record["trials"], present), out)
    say(f"record  {save(record, RUNS)}", out)
    if winner and present:
        say(compare(winner, present), out)
    if winner:
        say("\n" + as_yaml(settings.hyperparameters | winner["hyperparameters"]), out)
    if record["status"] == "Succeeded":
        return cli.SUCCEEDED
    reason = record["failure_reason"] or "no reason was given"
    hint = (
        "hint: `aws sagemaker list-training-jobs-for-hyper-parameter-tuning-job "
        f"--hyper-parameter-tuning-job-name {record['tuning_job_name']}` has the reasons"
        if record["tuning_job_name"]
        else "hint: no search was started: correct what the reason names, and search again"
    )
    say(f"error: execution {record['status']}: {reason}")
    say(str(diagnose(reason) or hint))
    return cli.INTERRUPTED if interrupted else cli.NOT_SUCCEEDED


if __name__ == "__main__":
    raise SystemExit(main())
