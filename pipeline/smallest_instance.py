"""Find the smallest instance type on which this account can train now.

Ask Service Quotas, the Price List API and EC2 about every training instance type; print the
answer and the types that are smaller. Every answer is kept in smallest-instance.json. Nothing is
started or changed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from container.errors import InputError
from local_aws import collector
from pipeline import cli
from pipeline.execution.record import RUNS, Record, completed_runs
from pipeline.instances.choice import Candidate, Need, choose_smallest, judge
from pipeline.instances.inquiry import Inquiry, ask_about_instance_types
from pipeline.instances.table import INDENT, choices, proof, smaller_than, table
from pipeline.settings import Settings, load_settings
from pipeline.terminal import make_console, say

import boto3

EVIDENCE = Path("smallest-instance.json")


def with_smallest(session: boto3.Session, settings: Settings) -> Settings:
    """The settings with the smallest type that the account can train on.

    Raises InputError when there is none.
    """
    need = job_need(settings, _runs(settings))
    facts = ask_about_instance_types(Inquiry(), session, settings.region)
    best = choose_smallest(facts, need, settings.region)
    return settings.model_copy(update={"instance_type": best.instance_type})


def job_need(settings: Settings, runs: Sequence[Record]) -> Need:
    """From the settings, and the newest of the runs that measured the training program."""
    peaks = (run.get("peak_memory_mib") for run in runs)
    peak = next((peak for peak in peaks if peak is not None), None)
    return Need(settings.instance_count, settings.spot, peak)


def _runs(settings: Settings) -> list[Record]:
    return completed_runs(RUNS, settings.region, settings.pipeline_name)


def keep_survey(
    session: boto3.Session, settings: Settings, runs: Sequence[Record], path: Path
) -> None:
    """Ask about every instance type, and keep the answers in `path`.

    Args:
        session: Of the account and region that are asked.
        settings: With the number of instances, and spot or not.
        runs: Records of runs, the newest first; one that measured the program's memory counts.
        path: The JSON file.
    """
    inquiry, need = Inquiry(), job_need(settings, runs)
    facts = ask_about_instance_types(inquiry, session, settings.region)
    _keep(path, inquiry, settings.region, need, judge(facts, need))


def _keep(
    path: Path, inquiry: Inquiry, region: str, need: Need, candidates: Sequence[Candidate]
) -> None:
    evidence = {
        "region": region,
        "need": asdict(need),
        "instance_types": [asdict(each) for each in candidates],
        "answers": inquiry.answers,
    }
    try:
        path.write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path.absolute()}: cannot be written to: {error.strerror}",
            "start in a folder that can be written to",
        ) from None


def main(argv: Sequence[str] | None = None) -> int:
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
    runs = _runs(settings)
    need = job_need(settings, runs)
    inquiry = Inquiry()
    session = boto3.Session(region_name=settings.region)
    facts = ask_about_instance_types(inquiry, session, settings.region)
    candidates = judge(facts, need)
    _keep(EVIDENCE, inquiry, settings.region, need, candidates)
    out = make_console(stderr=False)
    if every:
        say(f"{table(candidates)}\n\n{choices(candidates)}\n", out, INDENT)
    best = choose_smallest(facts, need, settings.region)
    say(proof(candidates, best, need, runs), out)
    if not every:
        smaller = table([*smaller_than(best, candidates), best])
        say(f"\n{smaller}", out, smaller.index("usable"))
    say(f"{len(inquiry.answers)} answers are in {EVIDENCE}")
    return cli.SUCCEEDED


if __name__ == "__main__":
    collector.postpone()
    raise SystemExit(main())
