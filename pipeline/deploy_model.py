"""Serve the newest approved version of the model, or return to the previous one.

One endpoint: serverless, or on an instance (`endpoint` in pipeline.yaml). A new version takes over
only after it has answered a few known rows as its artifact does, digit by digit.
"""

import argparse
from collections.abc import Sequence

try:
    from container.errors import InputError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline import cli, rehearsal
from pipeline.bootstrap import connect
from pipeline.data import prepare
from pipeline.diagnosis import diagnose
from pipeline.serving.configuration import (
    configuration_before,
    make_configuration,
    model_package,
)
from pipeline.serving.cost import describe_cost
from pipeline.serving.endpoint import NotServed, deploy, endpoint_name, find_served, move
from pipeline.serving.smoke import make_smoke_test
from pipeline.serving.versions import APPROVED, describe_version, find_version
from pipeline.settings import Settings
from pipeline.terminal import say


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy a version, print what is served, and return the exit code."""
    parser = rehearsal.parser(__doc__)
    parser.add_argument("--rollback", action="store_true", help="serve the previous version again")
    return cli.run_with_settings(parser.parse_args(argv), _deploy, rehearsal.approved_version)


def _deploy(settings: Settings, arguments: argparse.Namespace) -> int:
    session, stack = connect(settings)
    sagemaker = session.client("sagemaker")
    name = endpoint_name(settings)
    served = find_served(sagemaker, name)
    number, before = arguments.version, ""
    if arguments.rollback:
        if number is not None:
            raise InputError("--version: --rollback finds it itself", "give one of the two")
        before = configuration_before(sagemaker, served.configuration) if served else ""
        if not before:
            raise InputError(f"{name}: no version was served before", "deploy one with --version N")
        number = describe_version(sagemaker, model_package(sagemaker, before)).number
    version = find_version(sagemaker, stack.model_package_group, number, APPROVED)
    smoke = make_smoke_test(session, version, prepare(settings))
    try:
        if arguments.rollback:
            move(sagemaker, name, before, smoke)
        else:
            if served:
                again = served.version.number == version.number
                now = served.configuration
                before = configuration_before(sagemaker, now) if again else now
            configuration = make_configuration(sagemaker, settings, stack, version, before)
            deploy(sagemaker, settings, configuration, smoke)
    except NotServed as error:
        still = f"version {served.version.number} is still" if served else "nothing is"
        problem = f"version {version.number}: {error}"
        diagnosis = diagnose(problem)
        hint = f"hint: aws logs tail /aws/sagemaker/Endpoints/{name} --region {settings.region}"
        told = diagnosis.filled({"STACK": settings.stack_name}) if diagnosis else hint
        say(f"error: {problem}\n{still} served\n{told}")
        return cli.NOT_SUCCEEDED
    if served := find_served(sagemaker, name):
        print(f"endpoint  {name}: version {served.version.number} since {served.since}")
        config = sagemaker.describe_endpoint_config(EndpointConfigName=served.configuration)
        print(f"cost      {describe_cost(session, config['ProductionVariants'][0])}")
    if not arguments.local:
        say(_next(name, before, rolled_back=arguments.rollback))
    return cli.SUCCEEDED


def _next(name: str, before: str, *, rolled_back: bool) -> str:
    """Return the next command; `before` is the configuration that was replaced, if any."""
    if rolled_back:
        return "next: .venv/bin/python build/teardown.py"
    if before:
        return "next: .venv/bin/python pipeline/deploy_model.py --rollback"
    return (
        f"next: aws sagemaker-runtime invoke-endpoint --endpoint-name {name} "
        "--content-type text/csv --body fileb://FILE predictions.csv\n"
        "      .venv/bin/python pipeline/score.py FILE, for a batch of rows"
    )


if __name__ == "__main__":
    raise SystemExit(main())
