"""Whether what a command said is what the catalogue of failures says."""

import re

from pipeline.diagnosis import catalogue, diagnose

ANYTHING = "\0"  # in place of what a pattern has found


def says(name: str, output: str) -> bool:
    """Whether the cause, the check and the cure of an entry stand in `output`, line by line."""
    (entry,) = [entry for entry in catalogue() if entry.id == name]
    groups = re.compile(entry.pattern).groupindex
    lines = str(entry.diagnosis(dict.fromkeys(groups, ANYTHING)))
    return re.search(re.escape(lines).replace(ANYTHING, ".+"), output) is not None


def explained(reason: str) -> str:
    """What a command would say of a reason that came by another way."""
    return str(diagnose(reason))
