"""How tests run the image's program as a process."""

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Without scikit-learn, as in the image: XGBoost imports it where it is installed.
ENVIRONMENT = {
    "PATH": os.defpath,
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'as_in_the_image'}",
}
