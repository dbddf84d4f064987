"""Scores raw passenger rows from the artifact alone: `... container.predict MODEL_DIR < rows.csv`.

Reads CSV with a header (the label is not needed) from standard input, and writes one line a row.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from container.artifact import Artifact
from container.errors import InputError
from container.metrics import DECISION_THRESHOLD
from container.passengers import read_passengers
from container.predictions import probability_text


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m container.predict", description=__doc__)
    parser.add_argument("model_dir", type=Path, help="where model.tar.gz was unpacked")
    arguments = parser.parse_args(argv)
    try:
        artifact = Artifact.load(arguments.model_dir)
        passengers = read_passengers(sys.stdin.buffer.read(), "standard input", labelled=False)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("probability,survived")
    for probability in artifact.score(passengers).tolist():
        print(f"{probability_text(probability)},{int(probability >= DECISION_THRESHOLD)}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it quietly
    raise SystemExit(main())
