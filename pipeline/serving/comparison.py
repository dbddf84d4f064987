"""Two versions of the model on the same validation rows."""

from typing import Any

from container.contract import METRICS, VALIDATION_CHANNEL, metric_name
from container.errors import InputError
from container.schema import LABEL
from pipeline.data import URI_KEY, read_channel
from pipeline.evidence.metrics import RESAMPLES, evaluate, metrics_of_samples
from pipeline.evidence.scoring import TOLERANCE, load_artifact
from pipeline.execution.archive import download_artifact
from pipeline.serving.versions import Version

import numpy as np
from numpy.typing import NDArray


def compare(s3: Any, version: Version, served: Version | None) -> str:
    """Return a table of METRICS on the validation rows of `version`, beside those of `served`.

    Raises InputError when the version does not name its validation rows.
    """
    uri = version.properties.get(URI_KEY.format(channel=VALIDATION_CHANNEL))
    if uri is None:
        problem = f"version {version.number}: it has no record of its validation data"
        raise InputError(
            problem, "choose a version that pipeline/upsert_and_start.py has registered"
        )
    rows = read_channel(s3, uri)
    labels = rows[LABEL].to_numpy()
    scores = {
        f"version {each.number}": load_artifact(download_artifact(s3, each.model_uri)).score(rows)
        for each in (version, served)
        if each
    }
    measured = {name: evaluate(labels, values) for name, values in scores.items()}
    lines = [f"{len(rows)} validation rows", f"{'':<10}" + "".join(f"{n:>14}" for n in measured)]
    for metric in METRICS:
        values = "".join(f"{each[metric]:>14.6f}" for each in measured.values())
        lines.append(f"{metric:<10}{values}")
    registered = float(version.properties.get(metric_name("auc"), "nan"))
    if abs(registered - measured[f"version {version.number}"]["auc"]) > TOLERANCE:
        lines.append(
            f"AUC of version {version.number} in its own image: {registered:.6f}; this container/ "
            "is another revision and returns other scores"
        )
    if served:
        low, high = auc_difference(labels, *scores.values())
        lines.append(
            f"AUC of version {version.number} minus AUC of version {served.number} (served): "
            f"{low:+.4f} to {high:+.4f} (95 %, bootstrap)"
        )
    return "\n".join(lines)


def auc_difference(
    labels: NDArray[Any], one: NDArray[Any], other: NDArray[Any]
) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two AUCs, from rows drawn with replacement."""
    samples = (metrics_of_samples(labels, scores, RESAMPLES) for scores in (one, other))
    differences = [first["auc"] - second["auc"] for first, second in zip(*samples, strict=True)]
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
