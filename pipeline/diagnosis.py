"""What a failure was, how to check it and what mends it: the catalogue of diagnosis.yaml.

`python pipeline/diagnosis.py` prints the catalogue as a page.
"""

import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import yaml

START = "start"  # in place of a check: the commands refuse it before they check anything
CATALOGUE = Path(__file__).with_name("diagnosis.yaml")


@dataclass(frozen=True)
class Diagnosis:
    id: str
    cause: str
    check: str  # a command; its words in capitals are to be replaced
    cure: str  # a command, or a change

    def __str__(self) -> str:
        return f"cause: {self.cause}\ncheck: {self.check}\nhint: {self.cure}"


@dataclass(frozen=True)
class Entry:
    id: str
    stage: str
    pattern: str
    seen: str
    cause: str
    check: str
    cure: str
    source: str  # where people have met it
    preflight: tuple[str, ...] = ()  # the checks that see it before a run; START

    def diagnosis(self, found: dict[str, str]) -> Diagnosis:
        """`found` has what the named groups of the pattern hold."""
        texts = (text.format_map(found) for text in (self.cause, self.check, self.cure))
        return Diagnosis(self.id, *texts)

    @property
    def unfilled(self) -> Diagnosis:
        """With the names of the groups in capitals, as in ROLE."""
        return self.diagnosis({name: name.upper() for name in re.compile(self.pattern).groupindex})


@functools.cache
def catalogue() -> tuple[Entry, ...]:
    content = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return tuple(
        Entry(**entry | {"preflight": tuple(entry.get("preflight", ()))}) for entry in content
    )


def diagnose(text: str) -> Diagnosis | None:
    """The first entry of the catalogue whose pattern is in `text`: what was said of a failure, and
    then the last lines of its log."""
    for entry in catalogue():
        match = re.search(entry.pattern, text, re.MULTILINE)
        if match:
            return entry.diagnosis(match.groupdict())
    return None


def page() -> str:
    """The catalogue in Markdown, a table for each stage."""
    stages = defaultdict(list)
    for entry in catalogue():
        stages[entry.stage].append(entry)
    parts = [
        "# Troubleshooting",
        "The commands say this by themselves when they fail: `cause:`, `check:` and `hint:`. Words "
        "in capitals are yours to replace. `runs/<execution id>/run.json` keeps the name of what "
        f"was found. Tests produce each of these {len(catalogue())} failures, on local AWS or in a "
        "container. `seen by` names the checks of `python pipeline/preflight.py` that see it "
        "before the run; with `start` the commands refuse it before they check anything.",
    ]
    for stage, entries in stages.items():
        parts += [f"## {stage.capitalize()}", "\n".join(_table(entries))]
    return "\n\n".join(parts) + "\n"


def _table(entries: list[Entry]) -> list[str]:
    lines = [
        "| failure | what you see | cause | check | what mends it | seen by | met in |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in entries:
        said = entry.unfilled
        place = re.sub(r"https://(github\.com/|docs\.aws\.amazon\.com/.*/)", "", entry.source)
        place = re.sub(r"/(issues|pull)/", "#", place)
        cells = (
            entry.id,
            f"`` {entry.seen} ``",
            said.cause,
            f"`` {said.check} ``",
            said.cure,
            ", ".join(entry.preflight) or "-",
            f"[{place}]({entry.source})",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


if __name__ == "__main__":
    print(page(), end="")
