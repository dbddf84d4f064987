"""The arguments of the commands: help in the form of uv and the AWS CLI, errors with a hint."""

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Any, NoReturn

from pipeline.terminal import say

EXIT_CODES = """Exit codes:
  0    succeeded
  1    the execution did not succeed
  2    wrong input
  3    refused or not reached by AWS
  130  interrupted"""


class Formatter(argparse.HelpFormatter):
    """Keeps paragraphs; begins the help of each argument with a capital."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text == EXIT_CODES:
            return text
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(textwrap.fill(each, width, initial_indent=indent) for each in paragraphs)

    def _expand_help(self, action: argparse.Action) -> str:
        text = super()._expand_help(action)
        return text[:1].upper() + text[1:]


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose help begins with what the command does."""

    def __init__(self, description: str | None, **arguments: Any) -> None:
        script = Path(sys.argv[0])
        super().__init__(
            prog=f".venv/bin/python {script.parent.name}/{script.name}",
            description=description,
            epilog=EXIT_CODES,
            formatter_class=Formatter,
            **arguments,
        )
        self._optionals.title, self._positionals.title = "Options", "Arguments"

    def format_help(self) -> str:
        """Return the help: what the command does, then its usage, then the options by group."""
        formatter = self._get_formatter()
        formatter.add_text(self.description)
        formatter.add_text(f"Usage: {self._short_usage()}")
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _short_usage(self) -> str:
        names = [f"[{action.metavar}]" for action in self._positionals._group_actions]
        return " ".join([self.prog, "[OPTIONS]", *names])

    def error(self, message: str) -> NoReturn:
        """End the program with exit code 2 and one line, as argparse does for wrong arguments."""
        say(f"error: {message}\nhint: {self.prog} --help lists the arguments")
        raise SystemExit(2)
