"""What XGBoost computes on: a GPU where the instance has one that it can use, else the CPU.

Whether there is one is read from the device files that NVIDIA's driver makes in the container
("/dev/nvidia0" and so on): SageMaker's own files name the instance type, not its GPUs, and the
variable SM_NUM_GPUS comes from its toolkits, which are not in this image.
"""

from pathlib import Path

from container.cluster import Cluster

import numpy as np
import xgboost as xgb

CPU, GPU = "cpu", "cuda"


def find_device(devices: Path = Path("/dev")) -> str:
    """That of this host, before it joins others: a GPU is tried. Why one is not used is said."""
    gpus = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    if not gpus:
        return CPU
    problem = _problem()
    if problem:
        print(f"device cpu: {', '.join(gpus)} cannot be used: {problem}", flush=True)
        return CPU
    print(f"device cuda: {gpus[0]}, one of {len(gpus)}", flush=True)
    return GPU


def common_device(own: str, hosts: Cluster) -> str:
    """That of all hosts: a GPU when each has one."""
    found = hosts.merge(own)
    if len(set(found)) > 1:
        without = [host for host, each in zip(hosts.hosts, found, strict=True) if each == CPU]
        print(f"device cpu: no usable GPU on {', '.join(without)}", flush=True)
        return CPU
    return own


def _problem() -> str | None:
    if not xgb.build_info()["USE_CUDA"]:
        return "this image has not XGBoost's CUDA build (see container/Dockerfile)"
    rows = np.arange(8, dtype=np.float32).reshape(-1, 1)
    try:
        data = xgb.QuantileDMatrix(rows, rows[:, 0] > 3)
        xgb.train({"device": GPU, "tree_method": "hist"}, data, 1)
    except xgb.core.XGBoostError as error:
        return next(line for line in str(error).splitlines()[1:] or [str(error)] if line.strip())
    return None
