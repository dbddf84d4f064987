"""Runs a command and prints, after its output, what it took: `cost.py COMMAND...`; a line of JSON.

A program of its own, and a small one: of a process that another starts, the kernel counts the peak
of memory from that of the other on (getrusage(2)).
"""

import json
import resource
import subprocess
import sys
import time

began = time.perf_counter()
status = subprocess.call(sys.argv[1:], stderr=subprocess.STDOUT)
wall = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cost = {
    "wall": wall,  # seconds
    "cpu": usage.ru_utime + usage.ru_stime,  # seconds of all cores
    "memory": usage.ru_maxrss / 1024,  # MiB, at most, of the largest process
}
print(json.dumps(cost))
sys.exit(status if status >= 0 else 128 - status)
