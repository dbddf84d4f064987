"""CreateHyperParameterTuningJob requests: their problems, and the request of each training job."""

from typing import Any

from local_aws.sagemaker import search
from local_aws.sagemaker.built_in_metrics import metric_definitions

Document = dict[str, Any]

# The members that are carried out; any other one is refused by its name.
SUPPORTED = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobConfig",
    "TrainingJobDefinition",
    "Tags",
)
SUPPORTED_CONFIG = (
    "Strategy",
    "ResourceLimits",
    "HyperParameterTuningJobObjective",
    "ParameterRanges",
    "TrainingJobEarlyStoppingType",
    "RandomSeed",
)


def problems(request: Document, account: str) -> list[str]:
    """Return a line for each problem that AWS refuses beyond its model, or local AWS lacks."""
    here = "CreateHyperParameterTuningJob"
    config: Document = request["HyperParameterTuningJobConfig"]
    found = [f"local AWS does not support {here}.{n}" for n in request if n not in SUPPORTED]
    found += [
        f"local AWS does not support {here}.HyperParameterTuningJobConfig.{name}"
        for name in config
        if name not in SUPPORTED_CONFIG
    ]
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        found.append("local AWS does not support TrainingJobEarlyStoppingType Auto, only Off")
    if "AutoParameters" in config.get("ParameterRanges", {}):
        found.append("local AWS does not support ParameterRanges.AutoParameters")
    if "MaxRuntimeInSeconds" in config["ResourceLimits"]:
        found.append("local AWS does not support ResourceLimits.MaxRuntimeInSeconds")
    if "TrainingJobDefinition" not in request:
        return [*found, "TrainingJobDefinition is missing"]
    if "HyperParameterTuningJobObjective" not in config:
        return [*found, "HyperParameterTuningJobObjective is missing"]
    definition = request["TrainingJobDefinition"]
    if not definition.keys() & {"ResourceConfig", "HyperParameterTuningResourceConfig"}:
        return [*found, "HyperParameterTuningResourceConfig is missing"]
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    declared = metric_definitions(definition["AlgorithmSpecification"], account)
    if metric not in [each["Name"] for each in declared]:
        found.append(f"the objective metric {metric} is not among the MetricDefinitions")
    return found + search.problems(config, definition.get("StaticHyperParameters", {}))


def training_request(request: Document, name: str, tuned: search.Values) -> Document:
    """Return the CreateTrainingJob request of a trial, with the hyperparameters from AWS."""
    definition = dict(request["TrainingJobDefinition"])
    static = definition.pop("StaticHyperParameters", {})
    resources = definition.pop("HyperParameterTuningResourceConfig", None)
    objective = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    return {
        "TrainingJobName": name,
        **definition,
        **({"ResourceConfig": resources} if resources else {}),
        "HyperParameters": {**static, **tuned, "_tuning_objective_metric": objective["MetricName"]},
    }
