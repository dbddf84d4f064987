"""Runs `make local` in two checkouts, one after the other, and prints a table in Markdown.

    make_local.py OTHER [--rounds N]

In each of them it must have run before: what is measured is the command, and not its set-up.
"""

import argparse
from pathlib import Path

from programs import ROOT, Program
from run import compare


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="a checkout of another commit")
    parser.add_argument("--rounds", type=int, default=3, help="how often both are run")
    given = parser.parse_args()
    checkouts = {"the other checkout": given.other.resolve(), "this checkout": ROOT}
    command = ["make", "--no-print-directory", "local"]
    compared = [Program(name, command, {}, folder) for name, folder in checkouts.items()]
    print(compare(compared, given.rounds))


if __name__ == "__main__":
    main()
