"""Whether a command said what the catalogue of failures says."""

import re

from pipeline import preflight
from pipeline.diagnosis import START, Entry, catalogue, diagnose

ANYTHING = "\0"  # in place of what a pattern has found
NAMES: tuple[str, ...] = (
    "EXECUTION_ARN",
    "EXECUTION",
    "JOB",
    "PIPELINE",
    "REGION",
    "ACCOUNT",
    "IMAGE",
)
NAMES += ("REPOSITORY", "URI", "BUCKET", "STACK", "START", "END")


def entry_of(name: str) -> Entry:
    (entry,) = [entry for entry in catalogue() if entry.id == name]
    return entry


def says(name: str, output: str) -> bool:
    """Whether the cause, the check and the fix of an entry stand in `output`, line by line.

    Words in capitals, as in JOB, may stand there as they are or as the names of the run, and the
    settings file is the one that was given.
    """
    entry = entry_of(name)
    groups = re.compile(entry.pattern).groupindex
    unfilled = entry.diagnosis(dict.fromkeys(groups, ANYTHING))
    lines = str(unfilled.filled(dict.fromkeys(NAMES, ANYTHING)))
    expected = re.escape(lines).replace(ANYTHING, ".+").replace(r"pipeline\.yaml", r"\S+\.yaml")
    return re.search(expected, re.sub(r" --config [^\s`,]+", "", output)) is not None


def explained(reason: str) -> str:
    """What a command would say of a reason that came by another way."""
    return str(diagnose(reason))


def complaints(output: str) -> set[str]:
    """The checks of a preflight that failed or warned, with a hint; START when the command was
    refused before it checked anything."""
    if "preflight: " not in output:
        return {START} if re.search(r"^error: (.*\n)+hint: ", output, re.MULTILINE) else set()
    told = r"^(?:error|warning): {}: (?:.*\n)+?hint: "  # at a start
    listed = r"^(?:failure|warning) +{}  .*\n +hint: "  # by preflight.py
    return {
        name
        for name in preflight.CHECKS
        for form in (told, listed)
        if re.search(form.format(name), output, re.MULTILINE)
    }


def foreseen(name: str, output: str) -> bool:
    """Whether a preflight under a fault complained as the catalogue says: by some of the checks of
    the entry and no others, or not at all when it names none."""
    found, named = complaints(output), set(entry_of(name).preflight)
    return found <= named and bool(found) == bool(named)
