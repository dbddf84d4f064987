"""The catalogue of known failures (diagnosis.yaml), with cause, check and fix.

`.venv/bin/python pipeline/diagnosis.py` prints the catalogue as a page.
"""

import functools
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

START = "start"  # instead of a check: the commands refuse it before the first check
CATALOGUE = Path(__file__).with_name("diagnosis.yaml")
PAGE = "docs/troubleshooting.md"

HIDDEN = "(hidden)"
SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
SECRET_CHARACTERS = 16  # AWS's secrets have 40 or more; a shorter text may be part of any word
SECRET = re.compile(
    r"(?P<name>AWS4-HMAC-SHA256 |\b(?:X-Amz-)?(?:Credential|Signature|Security-Token)=|"
    r"\b(?:aws_secret_access_key|aws_session_token|secretAccessKey|sessionToken)\W{1,5})"
    r"(?:(?<=SHA256 ).*|[^\s&,'\"]+)",
    re.IGNORECASE,
)

INTRODUCTION = """# Troubleshooting

When a command fails for one of these {number} reasons, it prints `cause:`, `check:`, `docs:` (the
name of the failure on this page) and `hint:` (the fix). `run.json` stores the name. Replace the
words in capitals by your own values.

**Found by** names what finds the failure before the run: a check of `pipeline/preflight.py`, or
the start of the command. Without this line, only the run itself finds it. **Report** is a public
report of the failure. A test of this project produces each failure on local AWS or in a container.

`pipeline/diagnosis.py` writes this page from `pipeline/diagnosis.yaml`."""


@dataclass(frozen=True)
class Diagnosis:
    """The cause of a known failure, a command that checks it, and the fix."""

    id: str
    cause: str
    check: str  # a command; the reader replaces its words in capitals
    fix: str  # a command, or a change

    def filled(self, names: Mapping[str, str]) -> "Diagnosis":
        """Return a copy with words in capitals, such as JOB, replaced by the values of `names`."""

        def fill(text: str) -> str:
            return re.sub(r"\b[A-Z][A-Z_]+\b", lambda word: names.get(word[0], word[0]), text)

        return replace(self, check=fill(self.check), fix=fill(self.fix))

    @property
    def explanation(self) -> str:
        """Cause, check and the link to the documentation, without the fix."""
        return f"cause: {self.cause}\ncheck: {self.check}\ndocs: {PAGE}#{self.id}"

    def __str__(self) -> str:
        return f"{self.explanation}\nhint: {self.fix}"


@dataclass(frozen=True)
class Entry:
    """A known failure as `diagnosis.yaml` describes it."""

    id: str
    stage: str
    pattern: str
    seen: str
    cause: str
    check: str
    fix: str
    source: str  # the address of a public report
    preflight: tuple[str, ...] = ()  # the checks that find it before a run, or START

    def diagnosis(self, found: dict[str, str]) -> Diagnosis:
        """Return the texts, filled with the values of the named groups of the pattern."""
        texts = (text.format_map(found) for text in (self.cause, self.check, self.fix))
        return Diagnosis(self.id, *texts)

    @property
    def unfilled(self) -> Diagnosis:
        """Return the texts with the names of the groups in capitals, as in ROLE."""
        return self.diagnosis({name: name.upper() for name in re.compile(self.pattern).groupindex})


@functools.cache
def catalogue() -> tuple[Entry, ...]:
    """Return all known failures, in the order in which they are tried."""
    content = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return tuple(
        Entry(**entry | {"preflight": tuple(entry.get("preflight", ()))}) for entry in content
    )


def diagnose(text: str) -> Diagnosis | None:
    """Return the diagnosis of the first entry of the catalogue whose pattern is in `text`.

    Args:
        text: The error message, and then the last lines of the log.
    """
    for entry in catalogue():
        match = re.search(entry.pattern, text, re.MULTILINE)
        if match:
            return entry.diagnosis(match.groupdict())
    return None


def redacted(text: str) -> str:
    """Return an error message without the signatures, keys and tokens that it quotes."""
    for name in SECRET_VARIABLES:
        secret = os.environ.get(name, "").strip()
        if len(secret) >= SECRET_CHARACTERS:
            text = text.replace(secret, HIDDEN)
    return SECRET.sub(lambda match: f"{match['name']}{HIDDEN}", text)


def page() -> str:
    """Return the catalogue as a page of Markdown: an index, then a section for each failure."""
    stages = defaultdict(list)
    for entry in catalogue():
        stages[entry.stage].append(entry)
    parts = [INTRODUCTION.format(number=len(catalogue())), "## Index"]
    parts.append(
        "\n".join(
            f"- [{stage.capitalize()}](#{stage}-failures): "
            + ", ".join(f"[{entry.id}](#{entry.id})" for entry in entries)
            for stage, entries in stages.items()
        )
    )
    for stage, entries in stages.items():
        parts += [f"## {stage.capitalize()} failures", *(_section(entry) for entry in entries)]
    return "\n\n".join(parts) + "\n"


def _section(entry: Entry) -> str:
    found = entry.unfilled
    place = re.sub(r"https://(github\.com/|docs\.aws\.amazon\.com/.*/)", "", entry.source)
    place = re.sub(r"/(issues|pull)/", "#", place)
    return f"""### {entry.id}

```text
{entry.seen}
```

- **Cause**: {found.cause}
- **Check**: `` {found.check} ``
- **Fix**: {found.fix}{_found_by(entry)}
- **Report**: [{place}]({entry.source})"""


def _found_by(entry: Entry) -> str:
    if not entry.preflight:
        return ""
    start = entry.preflight == (START,)
    who = "the start of the command" if start else f"preflight ({', '.join(entry.preflight)})"
    return f"\n- **Found by**: {who}"


if __name__ == "__main__":
    print(page(), end="")
