"""The quality gate that asks for a model at least as good as the one that is served."""

from container.contract import VALIDATION_CHANNEL
from container.errors import InputError
from container.reading import read_rows
from container.schema import LABEL
from pipeline.data import Dataset
from pipeline.evidence.metrics import evaluate
from pipeline.evidence.scoring import load_artifact
from pipeline.execution.archive import download_artifact
from pipeline.serving.endpoint import endpoint_name, find_served
from pipeline.serving.versions import DELETED
from pipeline.settings import Settings

import boto3


def with_served_auc(session: boto3.Session, settings: Settings, dataset: Dataset) -> Settings:
    """Return the settings with `min_validation_auc` raised to the AUC of the served version.

    It is measured on the present validation rows. Without an endpoint nothing changes.

    Raises InputError when that version is in the registry no more.
    """
    served = find_served(session.client("sagemaker"), endpoint_name(settings))
    if served is None:
        return settings
    if served.version.status == DELETED:
        raise InputError(
            f"better_than_served: version {served.version.number}, which is served, was deleted",
            "deploy another one with pipeline/deploy_model.py, or set better_than_served: false",
        )
    rows = read_rows(dataset.channels[VALIDATION_CHANNEL], labelled=True)
    artifact = load_artifact(download_artifact(session.client("s3"), served.version.model_uri))
    measured = evaluate(rows[LABEL].to_numpy(), artifact.score(rows))["auc"]
    auc = round(measured, 6)  # as in the job's log
    least = max(settings.min_validation_auc, auc)
    return settings.model_copy(update={"min_validation_auc": least})
