"""A command ends at once: what it imported is not walked again."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, time
from local_aws import collector

class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("collected")

{call}
print("enabled" if gc.isenabled() else "disabled")
kept = Cycle()
deadline = time.monotonic() + 60
while {wait} and not gc.isenabled() and time.monotonic() < deadline:
    time.sleep(0.01)
print("enabled" if gc.isenabled() else "disabled")
"""


@pytest.mark.parametrize(
    ("call", "wait", "printed"),
    [
        ("", "False", ["enabled", "enabled", "collected"]),
        ("collector.postpone()", "False", ["disabled", "disabled"]),
        ("collector.postpone(1)", "True", ["disabled", "enabled"]),
    ],
)
def test_nothing_is_collected_while_a_command_starts_and_when_it_ends(
    call: str, wait: str, printed: list[str]
) -> None:
    program = PROGRAM.format(call=call, wait=wait)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == printed, done.stderr
