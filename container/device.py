"""What XGBoost computes on: a GPU where the instance has one that it can use, else the CPU.

Whether there is one is read from the device files that NVIDIA's driver makes in the container
("/dev/nvidia0" and so on): SageMaker's own files name the instance type, not its GPUs, and the
variable SM_NUM_GPUS comes from its toolkits, which are not in this image.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from container.cluster import Cluster

import numpy as np
import xgboost as xgb

CPU, GPU = "cpu", "cuda"
FOR_GPU: bool = xgb.build_info()["USE_CUDA"]


def find_device(devices: Path = Path("/dev"), for_gpu: bool = FOR_GPU) -> str:
    """That of this host, before it joins others: a GPU is tried. Why one is not used is said."""
    gpus = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    if not gpus:
        if for_gpu:
            print("device cpu: there is no GPU here, for which this image is made", flush=True)
        return CPU
    problem = _problem(for_gpu)
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


def device_for(data: Any, device: str) -> str:
    """That on which XGBoost trains on `data`, one of its matrices: what lies on disk was made by
    the CPU, and is of no use to a GPU (`ExtMemQuantileDMatrix` in XGBoost 3.2 refuses it)."""
    if device == GPU and isinstance(data, xgb.ExtMemQuantileDMatrix):
        print("device cpu: a GPU does not train on data on disk", flush=True)
        return CPU
    return device


def _problem(for_gpu: bool) -> str | None:
    if not for_gpu:
        return "this image is not made for a GPU (see accelerator in pipeline.yaml)"
    rows = np.arange(8, dtype=np.float32).reshape(-1, 1)
    try:
        data = xgb.QuantileDMatrix(rows, rows[:, 0] > 3)
        with warnings.catch_warnings(action="ignore"):  # said below
            booster = xgb.train({"device": GPU, "tree_method": "hist"}, data, 1)
    except xgb.core.XGBoostError as error:
        return next(line for line in str(error).splitlines()[1:] or [str(error)] if line.strip())
    # Without a driver that fits, XGBoost trains on the CPU instead.
    trained_on = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    return None if trained_on.startswith(GPU) else "XGBoost finds none that its driver offers"
