"""Text for the terminal: lines broken between words, and colours (not with NO_COLOR).

In a pipe or a file, lines are not wrapped, coloured or shortened.
"""

import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.text import Text

Stage = Callable[[str | None], None]

STYLES = (
    (r"^(ok)\b|\bSucceeded\b|\byes$", "green"),
    (r"^(warning|note)\b", "yellow"),
    (r"^(error|failure)\b|\b(Failed|Stopped)\b", "bold red"),
    (r"^not checked\b", "dim"),
    (r"^\s*(cause|check|docs|hint):", "bold"),
)
TO_COPY = re.compile(r"\s*(check|docs|hint|error):")  # lines whose words must stay whole
DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
LONG_NAME = re.compile(r"arn:|s3://|.*@sha256:")
ADVICE = re.compile(r"\s*(check|hint|next):")
COMMAND = re.compile(r"\.venv/bin/python (pipeline|build)/\w+\.py\b(?! --config)")
SETTINGS = re.compile(r"(?<!project's )\bpipeline\.yaml\b")

# The argument of --config; empty for the project's pipeline.yaml.
_config: ContextVar[str] = ContextVar("config", default="")

# The console with a spinner: only what is printed through it does not go on in the spinner's line.
_with_spinner: ContextVar[Console | None] = ContextVar("with_spinner", default=None)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error for the command to handle, because rich would exit with 1."""
        raise BrokenPipeError


def make_console(*, stderr: bool = True) -> Console:
    """Return a console that prints text as it is: no markup, no highlighting."""
    return _Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def say(text: str, console: Console | None = None, indent: int = 2, *, whole: bool = False) -> None:
    """Print lines of text.

    Args:
        text: One line or several.
        console: Where to; by default that of the spinner, or standard error.
        indent: The indentation of continuation lines.
        whole: Do not shorten long names.
    """
    console = console or _with_spinner.get() or make_console()
    for line in map(_with_config, text.split("\n")):
        fitted = fit(line, console.width, indent, whole=whole) if console.is_terminal else line
        styled = Text(fitted)
        for pattern, style in STYLES:
            styled.highlight_regex(pattern, style)
        console.print(styled, soft_wrap=True)


@contextmanager
def advice_for(config: str) -> Iterator[None]:
    """Let hints and the commands in them name this settings file; empty changes nothing."""
    before = _config.set(config)
    try:
        yield
    finally:
        _config.reset(before)


def _with_config(line: str) -> str:
    config = _config.get()
    if not config or not ADVICE.match(line):
        return line
    line = SETTINGS.sub(lambda _: config, line)
    return COMMAND.sub(lambda found: f"{found[0]} --config {shlex.quote(config)}", line)


def fit(line: str, width: int, indent: int = 2, *, whole: bool = False) -> str:
    """Break a line between words, and shorten ARNs, S3 URIs and digests that fit on no line."""
    if len(line) <= width:
        return line
    if not (whole or TO_COPY.match(line)):
        room = width - indent
        line = " ".join(_shorten(word, room) for word in line.split(" "))
    return textwrap.fill(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def _shorten(word: str, room: int) -> str:
    word = DIGEST.sub(r"\1...", word)
    if len(word) <= room or not LONG_NAME.match(word):
        return word
    tail = max(room // 2, 8)
    return f"{word[: room - tail - 3]}...{word[-tail:]}"


@contextmanager
def stages(console: Console) -> Iterator[Stage]:
    """Show a spinner; yield a function that sets the name of the stage (None stops the spinner).

    Nothing is shown where there is no terminal.
    """
    spinner = console.status("")

    def show(stage: str | None) -> None:
        if stage is None:
            spinner.stop()
        else:
            spinner.update(f"{stage} ...")
            spinner.start()

    before = _with_spinner.set(console)
    try:
        yield show
    finally:
        spinner.stop()
        _with_spinner.reset(before)
