"""Find the smallest instance type on which this account can train now.

Ask Service Quotas, the Price List API and EC2 about every training instance type; print the
answer and the types that are smaller. Every answer is kept in smallest-instance.json. Nothing is
started or changed.
"""

import argparse
from collections.abc import Sequence

try:
    from pipeline import cli
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline.instances.choice import choose_smallest, smaller_than
from pipeline.instances.survey import SURVEY_FILE, measured_runs, save_survey, take_survey
from pipeline.instances.table import INDENT, choices, proof, table
from pipeline.settings import Settings
from pipeline.terminal import make_console, say

import boto3


def main(argv: Sequence[str] | None = None) -> int:
    """Print the smallest instance type that the account can have, and return the exit code."""
    parser = cli.local_parser(__doc__)
    parser.add_argument(
        "--all",
        action="store_true",
        help="list all types, by price, with the cheapest and the free",
    )
    return cli.run_with_settings(parser.parse_args(argv), _print_survey)


def _print_survey(settings: Settings, arguments: argparse.Namespace) -> int:
    """Keep the answers in SURVEY_FILE, and print the choice with smaller types, or every one."""
    runs = measured_runs(settings)
    facts, survey = take_survey(boto3.Session(region_name=settings.region), settings, runs)
    save_survey(survey, SURVEY_FILE)
    job, candidates, out = survey.requirements, survey.instance_types, make_console(stderr=False)
    if arguments.all:
        say(f"{table(candidates)}\n\n{choices(candidates)}\n", out, INDENT)
    best = choose_smallest(facts, job, settings.region)
    say(proof(candidates, best, job, runs), out)
    if not arguments.all:
        smaller = table([*smaller_than(best, candidates), best])
        say(f"\n{smaller}", out, smaller.index("usable"))
    say(f"{len(survey.answers)} answers are in {SURVEY_FILE}")
    return cli.SUCCEEDED


if __name__ == "__main__":
    raise SystemExit(main())
