"""Find the smallest instance type on which this account can train now.

Ask Service Quotas, the Price List API and EC2 about every training instance type; print the
answer and the types that are smaller. Every answer is kept in smallest-instance.json. Nothing is
started or changed.
"""

from collections.abc import Sequence

from local_aws import collector
from pipeline import cli
from pipeline.instances.choice import choose_smallest, evaluate
from pipeline.instances.facts import ApiRecorder, read_facts
from pipeline.instances.survey import EVIDENCE, job_requirements, keep, measured_runs
from pipeline.instances.table import INDENT, choices, proof, smaller_than, table
from pipeline.settings import Settings, load_settings
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
    arguments = parser.parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        with cli.endpoint(arguments, settings):
            return survey(settings, every=arguments.all)

    return cli.run(command)


def survey(settings: Settings, *, every: bool) -> int:
    """Ask, keep the answers in EVIDENCE, and print the choice with smaller types, or every one."""
    runs = measured_runs(settings)
    job = job_requirements(settings, runs)
    recorder = ApiRecorder()
    session = boto3.Session(region_name=settings.region)
    facts = read_facts(recorder, session, settings.region)
    candidates = evaluate(facts, job)
    keep(EVIDENCE, recorder, settings.region, job, candidates)
    out = make_console(stderr=False)
    if every:
        say(f"{table(candidates)}\n\n{choices(candidates)}\n", out, INDENT)
    best = choose_smallest(facts, job, settings.region)
    say(proof(candidates, best, job, runs), out)
    if not every:
        smaller = table([*smaller_than(best, candidates), best])
        say(f"\n{smaller}", out, smaller.index("usable"))
    say(f"{len(recorder.answers)} answers are in {EVIDENCE}")
    return cli.SUCCEEDED


if __name__ == "__main__":
    collector.postpone()
    raise SystemExit(main())
