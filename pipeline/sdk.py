"""The SageMaker SDK's sessions, made hermetic and quiet."""

import logging
import os
import warnings
from pathlib import Path
from typing import TypeVar

from local_aws.environment import NO_CREDENTIALS, aws_environment

import boto3
import yaml

# The SDK makes sessions of its own, at import and in every Estimator, that look for credentials
# they never use: in files, by running programs, and last over the network. They validate the
# machine's defaults, too, which takes half a second and has no effect here.
NO_DEFAULTS = dict.fromkeys(
    ("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", "SAGEMAKER_USER_CONFIG_OVERRIDE"), os.devnull
)
with aws_environment(NO_CREDENTIALS | NO_DEFAULTS):
    import sagemaker.jumpstart.constants
    import sagemaker.session
    import sagemaker.utils
    from sagemaker.session import Session

Kind = TypeVar("Kind", bound=Session)

# Given to every session, so that the machine's own SDK defaults (/etc/xdg/sagemaker,
# ~/.config/sagemaker) do not leak into the definition.
CONFIG_FILE = Path(__file__).parent / "sagemaker_config.yaml"
CONFIG = yaml.safe_load(CONFIG_FILE.read_text(encoding="utf-8"))

# Importing the SDK opens the root logger for everyone's INFO. What it reports by itself is on
# purpose here: that a pipeline names its jobs, that fit() starts nothing under a PipelineSession,
# that a registered model is not for AWS's marketplace, that an estimator whose hyperparameters are
# searched has no model.
logging.getLogger("botocore").setLevel(logging.WARNING)
logging.getLogger("sagemaker.telemetry.telemetry_logging").setLevel(logging.WARNING)
logging.getLogger("sagemaker.workflow.utilities").setLevel(logging.ERROR)
logging.getLogger("sagemaker.workflow._utils").setLevel(logging.ERROR)
logging.getLogger("sagemaker.estimator").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="Running within a PipelineSession", category=UserWarning)


# The SDK validates its configuration, and the whole schema of it, at each of 23 look-ups: five
# seconds a definition. A test validates CONFIG once.
for _module in (sagemaker.session, sagemaker.utils):
    _module.validate_sagemaker_config = lambda _: None  # type: ignore[attr-defined]


def make_session(kind: type[Kind], boto_session: boto3.Session, bucket: str) -> Kind:
    """Return a Session or PipelineSession that depends on nothing but its arguments."""
    return kind(boto_session=boto_session, default_bucket=bucket, sagemaker_config=CONFIG)
