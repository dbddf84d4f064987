"""Find out in a few seconds, without cost, what would make a run fail later.

Check the account, the roles and their permissions, the bucket, the data, the image, the instance
and the definition, all at the same time; change nothing. `upsert_and_start.py` does the same before
it sends anything.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

try:
    from pipeline import cli
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline.checks import account, company, definition, image, instance, roles, storage
from pipeline.checks.check import FAILURE, STATUSES, WARNING, Check, Function, run_checks
from pipeline.checks.run_context import (
    RunContext,
    Services,
    attempt,
    identity,
    known,
    make_services,
)
from pipeline.data import Dataset, prepare
from pipeline.image import image_tag, resolve_image, source_tag
from pipeline.instances.survey import with_smallest
from pipeline.settings import SMALLEST, Settings
from pipeline.stack import Stack, read_stack
from pipeline.terminal import make_console, say

import boto3

CHECKS: dict[str, Function] = {
    "identity": account.identity,
    "endpoints": account.endpoints,
    "stack": account.stack,
    "roles": roles.roles,
    "operator permissions": roles.operator_permissions,
    "pipeline permissions": roles.pipeline_permissions,
    "training permissions": roles.training_permissions,
    "bucket": storage.bucket,
    "encryption": storage.encryption,
    "data": storage.data,
    "repository": account.repository,
    "image": image.image,
    "platform": image.platform,
    "base image": image.base,
    "image scan": image.scan,
    "quota": instance.quota,
    "smallest": instance.smallest,
    "memory": instance.memory,
    "accelerator": instance.accelerator,
    "settings": company.settings,
    "vpc": company.vpc,
    "key": company.key,
    "notify": company.notify,
    "definition": definition.definition,
}
DRIFT = {"drift": definition.drift}  # of interest to who only looks: a start ends it

WIDTH = max(map(len, CHECKS))
INDENT = 13  # of what stands below a check


def find_run_context(settings: Settings, session: boto3.Session, services: Services) -> RunContext:
    """Return the run that a start would begin, with exceptions for missing parts."""
    who = attempt(lambda: identity(services.sts))
    dataset = attempt(lambda: prepare(settings))

    def find_stack() -> Stack:
        known(who, "identity")
        return read_stack(services.cloudformation, settings.stack_name)

    def find_instance_type() -> str | tuple[str, ...]:
        if settings.instance_type != SMALLEST:
            return settings.instance_type
        known(who, "identity")
        return with_smallest(session, settings).instance_type

    stack, instance_type = attempt(find_stack), attempt(find_instance_type)

    def find_image() -> str:
        tag = image_tag(settings.accelerator, settings.base_image)
        return resolve_image(services.ecr, known(stack, "stack").repository_uri, tag)

    image_uri = attempt(find_image)

    def define() -> dict[str, Any]:
        where, channels = known(stack, "stack"), known(dataset, "data")
        uri, chosen = known(image_uri, "image"), known(instance_type, "instance type")
        # Importing the SDK takes seconds: only when nothing is missing.
        from pipeline.definition import Inputs, build_pipeline

        inputs = Inputs(uri, source_tag(), channels.uris(where.bucket, settings.prefix))
        complete = settings.model_copy(update={"instance_type": chosen})
        definition: dict[str, Any] = json.loads(
            build_pipeline(complete, where, inputs, session).definition()
        )
        return definition

    return RunContext(settings, who, stack, dataset, instance_type, image_uri, attempt(define))


def before_start(
    session: boto3.Session,
    settings: Settings,
    stack: Stack,
    dataset: Dataset,
    image_uri: str,
    definition: dict[str, Any],
    other_data: Mapping[str, str],
) -> int:
    """Run the checks and print warnings and failures; return 0 when the run may start."""
    services = make_services(session)
    run = RunContext(
        settings,
        attempt(lambda: identity(services.sts)),
        stack,
        dataset,
        settings.instance_type,
        image_uri,
        definition,
        other_data,
    )
    checks = run_checks(CHECKS, services, run)
    say(format_problems(checks))
    return exit_code(checks)


def table(checks: Sequence[Check]) -> str:
    """Return a line for each check, with its hint and its detail below it."""
    lines = []
    for each in checks:
        lines.append(f"{each.status:<11}  {each.name:<{WIDTH}}  {each.message}")
        if each.hint:
            lines.append(f"{' ' * INDENT}hint: {each.hint}")
        lines += [f"{' ' * INDENT}{line}" for line in (each.detail or "").splitlines()]
    return "\n".join(lines)


def format_problems(checks: Sequence[Check]) -> str:
    """Return warnings and failures alone, in the form of errors, then the count of all."""
    said = {WARNING: "warning", FAILURE: "error"}
    lines = [
        f"{said[each.status]}: {each.name}: {each.message}\nhint: {each.hint}"
        for each in checks
        if each.status in said
    ]
    return "\n".join([*lines, count(checks)])


def count(checks: Sequence[Check]) -> str:
    """Return the number of checks by status on one line."""
    numbers = Counter(each.status for each in checks)
    parts = [f"{numbers[status]} {status}" for status in STATUSES if numbers[status]]
    return f"preflight: {', '.join(parts)}"


def exit_code(checks: Sequence[Check]) -> int:
    """Return the exit code of all checks; wrong input comes first: the user can fix it alone."""
    codes = {each.exit_code for each in checks} - {cli.SUCCEEDED}
    return min(codes, default=cli.SUCCEEDED)


def main(argv: Sequence[str] | None = None) -> int:
    """Run all checks against the account, print them, and return the exit code."""
    parser = cli.local_parser(__doc__)
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    return cli.run_with_settings(parser.parse_args(argv), _check)


def _check(settings: Settings, arguments: argparse.Namespace) -> int:
    session = boto3.Session(region_name=settings.region)
    services = make_services(session)
    run = find_run_context(settings, session, services)
    checks = run_checks(CHECKS | DRIFT, services, run)
    if arguments.json:
        print(json.dumps([asdict(each) for each in checks], indent=2))
    else:
        say(table(checks), make_console(stderr=False), indent=INDENT)
    say(count(checks))
    return exit_code(checks)


if __name__ == "__main__":
    raise SystemExit(main())
