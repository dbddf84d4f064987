"""The SageMaker SDK's sessions, made hermetic and quiet."""

import logging
import warnings
from typing import Any

import boto3
import sagemaker.utils
from sagemaker.session import Session

# Without this, every SDK call sends a usage report, and the machine's own SDK defaults
# (/etc/xdg/sagemaker, ~/.config/sagemaker) would leak into the definition.
CONFIG = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}

# Importing the SDK opens the root logger for everyone's INFO. What it reports by itself is on
# purpose here: that a pipeline names its jobs, that fit() starts nothing under a PipelineSession.
logging.getLogger("botocore").setLevel(logging.WARNING)
logging.getLogger("sagemaker.telemetry.telemetry_logging").setLevel(logging.WARNING)
logging.getLogger("sagemaker.workflow.utilities").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="Running within a PipelineSession", category=UserWarning)


def _already_validated(_config: dict[str, Any]) -> None:
    """Session validates CONFIG once. The SDK would do so again at each of 22 look-ups, together
    with the schema itself, which takes longer than importing the SDK."""


sagemaker.utils.validate_sagemaker_config = _already_validated  # type: ignore[assignment,attr-defined]


def make_session(kind: type[Session], boto_session: boto3.Session, bucket: str) -> Session:
    """A Session or PipelineSession that depends on nothing but its arguments."""
    return kind(boto_session=boto_session, default_bucket=bucket, sagemaker_config=CONFIG)
