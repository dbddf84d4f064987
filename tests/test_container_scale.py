"""Training on more rows than are held: the same model, in memory that does not grow."""

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from container import contract, datasets
from container.batches import SMALL_BYTES
from container.datasets import Table
from container.resources import Memory, memory_limit
from container.spool import Spool

import arro3.core as arrow
import arro3.io
import numpy as np
import pytest
import xgboost as xgb
from conftest import ROOT, RunJob
from numpy.typing import NDArray

COPIES = 40  # of the 1,047 training rows: so many are not a small file


def lines_of(root: Path) -> tuple[str, list[str]]:
    header, *lines = (root / "input/data/train/train.csv").read_text(encoding="utf-8").splitlines()
    return header, lines * COPIES


@pytest.fixture
def large(opt_ml: Path) -> Path:
    """A job with a training file that is read in blocks."""
    header, lines = lines_of(opt_ml)
    path = opt_ml / "input/data/train/train.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    assert path.stat().st_size > 2 * SMALL_BYTES
    (opt_ml / "input/config/hyperparameters.json").write_text('{"num_round": "20"}')
    return opt_ml
