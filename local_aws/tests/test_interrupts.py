import subprocess
import sys

# A thread that signals itself: it takes the signal, and the main thread goes on sleeping.
PROGRAM = """
import signal, threading
from local_aws import interrupts

def take():
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

with interrupts.handled():
    try:
        threading.Timer(0.2, take).start()
        interrupts.wait()
    except interrupts.Interrupted as error:
        print(error)
"""


def test_a_signal_that_another_thread_takes_ends_the_waiting() -> None:
    program = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "interrupted by SIGTERM\n"
