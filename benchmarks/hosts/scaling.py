"""What more hosts cost: processes of this machine, with one thread each, boost one model together.

    .venv/bin/python benchmarks/hosts/scaling.py --rows 400000 --hosts 1 2 4

The same rows are divided among them. Printed for each number of hosts: CPU seconds of all per
round, and milliseconds of one sum over the hosts of a buffer as large as the histograms of a level.
"""

import argparse
import multiprocessing
import time
from typing import Any

import numpy as np
import xgboost as xgb
from xgboost import collective
from xgboost.tracker import RabitTracker

FEATURES, ROUNDS, SUMS = 28, 20, 50
PARAMS = {"tree_method": "hist", "max_depth": 6, "nthread": 1, "objective": "binary:logistic"}
LEVEL_BYTES = 16 * FEATURES * 256 * 16  # nodes, features, bins, two doubles


def host(arguments: dict[str, Any], rows: int, number: int, results: Any) -> None:
    random = np.random.default_rng(number)
    matrix = random.normal(size=(rows, FEATURES)).astype(np.float32)
    labels = matrix[:, 0] + random.normal(size=rows) > 0
    with collective.CommunicatorContext(**arguments, dmlc_task_id=f"{number:05}"):
        data = xgb.QuantileDMatrix(matrix, labels, nthread=1)
        booster = xgb.train(PARAMS, data, 1)
        began = time.process_time()
        booster = xgb.train(PARAMS, data, ROUNDS, xgb_model=booster)
        cpu = (time.process_time() - began) / ROUNDS
        buffer, began = np.zeros(LEVEL_BYTES // 8), time.perf_counter()
        for _ in range(SUMS):
            collective.allreduce(buffer, collective.Op.SUM)
        results.put((cpu, (time.perf_counter() - began) / SUMS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args()
    print(f"{given.rows} rows, {FEATURES} features, {LEVEL_BYTES / 1e6:.1f} MB a sum")
    context = multiprocessing.get_context("spawn")
    for count in given.hosts:
        tracker = RabitTracker(n_workers=count, host_ip="127.0.0.1", sortby="task")
        tracker.start()
        arguments, results = tracker.worker_args(), context.Queue()
        processes = [
            context.Process(target=host, args=(arguments, given.rows // count, n, results))
            for n in range(count)
        ]
        for process in processes:
            process.start()
        found = [results.get() for _ in processes]
        for process in processes:
            process.join()
        cpu, seconds = sum(each[0] for each in found), max(each[1] for each in found)
        print(f"{count} hosts: {cpu:.3f} CPU s a round, {1e3 * seconds:.1f} ms a sum", flush=True)


if __name__ == "__main__":
    main()
