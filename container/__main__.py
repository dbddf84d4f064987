"""What SageMaker starts: `python -m container [train]`, or `serve`.

The first process of a container trains in a child and outlives it: the kernel kills the largest
process when memory runs out, and what is killed writes no failure file. To stay small it imports
next to nothing.
"""

import os
import sys

from container.supervisor import supervised


def run() -> int:
    """The exit code."""
    from container.process import main, root

    return main(sys.argv[1:], root())


def run_supervised() -> int:
    """The exit code, of a child that was killed too."""
    code = supervised(run)
    if code >= 0:
        return code
    from container.process import killed, root

    return killed(-code, root())


if __name__ == "__main__":
    # Another process than the first is seen by whoever started it, and killed by it alone.
    trains_first = os.getpid() == 1 and sys.argv[1:] != ["serve"]
    code = run_supervised() if trains_first else run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # at once: XGBoost would wait for hosts that are lost
