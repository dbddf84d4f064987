"""How tests run the image's program as a process."""

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Without scikit-learn, as in the image: XGBoost imports it where it is installed. With one thread:
# others spin while they wait, which takes minutes where other tests keep the cores busy.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "PATH": os.defpath,
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'as_in_the_image'}",
}
