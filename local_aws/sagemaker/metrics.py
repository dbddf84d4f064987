"""The metrics of a training job: its log, matched by the regular expressions of its request.

Source: "Define Training Metrics", SageMaker developer guide.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import regex  # unlike `re`, it can be stopped

MATCH_SECONDS = 1.0  # most for one expression on one line
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")  # a metric's value

Definition = Mapping[str, str]  # Name and Regex


def metric_problems(definitions: Sequence[Definition]) -> list[str]:
    """Return a line for each invalid regular expression."""
    problems = []
    for each in definitions:
        try:
            regex.compile(each["Regex"])
        except regex.error as error:
            problems.append(f"the regular expression of the metric {each['Name']}: {error}")
    return problems


class MetricPatterns:
    """The regular expressions of one job. The methods are thread-safe."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self._patterns = [(each["Name"], regex.compile(each["Regex"])) for each in definitions]

    def match(self, line: str, warn: Callable[[str], None]) -> Iterator[tuple[str, float]]:
        """Yield the name and the value of each metric in `line`.

        An expression that takes longer than MATCH_SECONDS is dropped with a warning.
        """
        for entry in list(self._patterns):
            name, pattern = entry
            try:
                found = pattern.search(line, timeout=MATCH_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ValueError):  # another thread was faster
                    self._patterns.remove(entry)
                    warn(
                        f"local AWS: the regular expression of the metric {name} took longer than "
                        f"{MATCH_SECONDS:g} s on one line: it is not matched any more"
                    )
                continue
            if found and pattern.groups and NUMBER.fullmatch(found[1] or ""):
                yield name, float(found[1])
