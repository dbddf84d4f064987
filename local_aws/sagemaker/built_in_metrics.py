"""The metrics of AWS's XGBoost image, which exist without a definition in the request.

Source: "Tune an XGBoost Model", SageMaker developer guide, and the names in aws/sagemaker-xgboost-
container, src/sagemaker_xgboost_container/constants/xgb_constants.py (cb8df91). The image writes a
line such as `[0]<tab>train-rmse:2.1<tab>validation-rmse:2.3`; the log of AWS shows a tab as `#011`.
"""

import re
from typing import Any

_XGBOOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.[^/]+/(sagemaker-)?xgboost[:@]")
_NAMES = (
    "accuracy auc aucpr balanced_accuracy f1 f1_binary f1_macro map ndcg precision "
    "precision_macro precision_micro r2 recall recall_macro recall_micro aft-nloglik cox-nloglik "
    "error gamma-deviance gamma-nloglik interval-regression-accuracy logloss mae mape merror "
    "mlogloss mphe mse poisson-nloglik rmse rmsle tweedie-nloglik"
)
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_OF_XGBOOST = [
    {"Name": f"{data}:{name}", "Regex": rf"\[[0-9]+\].*(?:#011|\t){data}-{name}:{_NUMBER}"}
    for data in ("train", "validation")
    for name in _NAMES.split()
]


def metric_definitions(algorithm: dict[str, Any], account: str) -> list[dict[str, str]]:
    """Return the metric definitions of a training job, from its request and from its image.

    Args:
        algorithm: The AlgorithmSpecification.
        account: The caller's account; its own images define no metrics.
    """
    given: list[dict[str, str]] = algorithm.get("MetricDefinitions", [])
    found = _XGBOOST.match(algorithm.get("TrainingImage", ""))
    return [*given, *_OF_XGBOOST] if found and found["account"] != account else given
