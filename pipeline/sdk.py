"""The SageMaker SDK's sessions, made hermetic and quiet."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import boto3
import yaml


@contextmanager
def no_credentials() -> Iterator[None]:
    """This process has no AWS settings meanwhile, and no reason to ask the network for some.

    The SDK makes sessions of its own, at import and in every Estimator, that look for credentials
    they never use: in files, by running programs, and last from the instance metadata.
    """
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ |= {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield


with no_credentials():
    import sagemaker.jumpstart.constants
    import sagemaker.session
    import sagemaker.utils
    from sagemaker.session import Session

# Given to every session, so that the machine's own SDK defaults (/etc/xdg/sagemaker,
# ~/.config/sagemaker) do not leak into the definition.
CONFIG_FILE = Path(__file__).parent / "sagemaker_config.yaml"
CONFIG = yaml.safe_load(CONFIG_FILE.read_text(encoding="utf-8"))

# Importing the SDK opens the root logger for everyone's INFO. What it reports by itself is on
# purpose here: that a pipeline names its jobs, that fit() starts nothing under a PipelineSession.
logging.getLogger("botocore").setLevel(logging.WARNING)
logging.getLogger("sagemaker.telemetry.telemetry_logging").setLevel(logging.WARNING)
logging.getLogger("sagemaker.workflow.utilities").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="Running within a PipelineSession", category=UserWarning)


# The SDK validates its configuration, and the whole schema of it, at each of 23 look-ups: five
# seconds a definition. A test validates CONFIG once.
for _module in (sagemaker.session, sagemaker.utils):
    _module.validate_sagemaker_config = lambda _: None  # type: ignore[attr-defined]


def make_session(kind: type[Session], boto_session: boto3.Session, bucket: str) -> Session:
    """A Session or PipelineSession that depends on nothing but its arguments."""
    return kind(boto_session=boto_session, default_bucket=bucket, sagemaker_config=CONFIG)
