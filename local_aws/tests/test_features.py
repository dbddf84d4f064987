"""Small pipelines that use many features at a time, with jobs as processes and in containers."""

import uuid
from typing import Any

from local_aws.tests.jobs import Jobs
from local_aws.tests.test_pipelines import Pipeline, condition, fail, select, train
from local_aws.tests.test_processing import IN, OUT, Processing
from local_aws.tests.waiting import wait_for

CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
EVALUATION = (
    f"import sys, tarfile; tarfile.open('{IN}/model/model.tar.gz').getmember('model.txt'); "
    f"open('{OUT}/report/report.json', 'w').write('{{\"auc\": %s}}' % sys.argv[2])"
)


def evaluate(jobs: Jobs, model: dict[str, str], auc: dict[str, str]) -> dict[str, Any]:
    """A step that reads a model, and writes a property file."""
    processing = Processing(jobs)
    request = processing.request(
        EVALUATION,
        "--auc",
        auc,
        ProcessingInputs=[processing.input("model", "", S3Uri=model)],
        ProcessingOutputConfig={"Outputs": [processing.output("report", "evaluation")]},
    )
    del request["ProcessingJobName"]
    file = {"PropertyFileName": "Auc", "OutputName": "report", "FilePath": "report.json"}
    step = {"Name": "Evaluate", "Type": "Processing", "Arguments": request}
    return step | {"PropertyFiles": [file]} | CACHED


def test_a_model_is_trained_evaluated_and_registered_or_refused(any_jobs: Jobs) -> None:
    """Three executions: all steps, all jobs from the cache, and one selected step."""
    jobs, group = any_jobs, f"group-{uuid.uuid4().hex[:8]}"
    data = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    container = {"Image": jobs.image, "ModelDataUrl": data}
    report = f"s3://{jobs.bucket}/evaluation/report.json"
    quality = {"Statistics": {"ContentType": "application/json", "S3Uri": report}}
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": group,
            "InferenceSpecification": {"Containers": [container]},
            "ModelMetrics": {"ModelQuality": quality},
            "DriftCheckBaselines": {"ModelQuality": quality},
        },
    }
    create = {
        "Name": "Create",
        "Type": "Model",
        "Arguments": {"PrimaryContainer": container, "ExecutionRoleArn": jobs.role},
    }
    auc = {
        "Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Auc"}, "Path": "auc"}
    }
    above = {"Type": "GreaterThan", "LeftValue": auc, "RightValue": {"Get": "Parameters.Least"}}
    text = {"Std:Join": {"On": " ", "Values": ["below", {"Get": "Parameters.Least"}]}}
    pipeline = Pipeline(
        jobs,
        train(jobs) | CACHED,
        evaluate(jobs, data, {"Get": "Parameters.Auc"}),
        condition(
            Conditions=[above], IfSteps=[register, create], ElseSteps=[fail(ErrorMessage=text)]
        ),
        parameters=[
            {"Name": "Auc", "Type": "String", "DefaultValue": "0.9"},
            {"Name": "Least", "Type": "Float", "DefaultValue": 0.8},
        ],
    )

    def run(**request: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        execution, steps = pipeline.run(**request)
        return execution, {step["StepName"]: step for step in steps}

    first, steps = run()
    assert first["PipelineExecutionStatus"] == "Succeeded", steps
    assert steps.keys() == {"Train", "Evaluate", "Gate", "Register", "Create"}
    trained = jobs.describe(steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2])
    made = trained["ModelArtifacts"]["S3ModelArtifacts"]
    version = jobs.sagemaker.describe_model_package(
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    assert version["ModelPackageGroupName"] == group
    assert version["ModelMetrics"] == version["DriftCheckBaselines"] == {"ModelQuality": quality}
    (packed,) = version["InferenceSpecification"]["Containers"]
    model = steps["Create"]["Metadata"]["Model"]["Arn"].rpartition("/")[2]
    created = jobs.sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
    assert packed["ModelDataUrl"] == created["ModelDataUrl"] == made

    second, steps = run(PipelineParameters=[{"Name": "Least", "Value": "0.95"}])
    source = {"SourcePipelineExecutionArn": first["PipelineExecutionArn"]}
    assert [steps[name]["CacheHitResult"] for name in ("Train", "Evaluate")] == [source] * 2
    assert second["PipelineExecutionStatus"] == "Failed"
    assert steps["End"]["FailureReason"] == "below 0.95"

    _, steps = run(
        PipelineParameters=[{"Name": "Auc", "Value": "0.7"}],
        **select(first["PipelineExecutionArn"], "Evaluate"),
    )
    assert steps["Train"]["SelectiveExecutionResult"] == source
    assert steps["Train"]["Metadata"]["TrainingJob"]["Arn"] == trained["TrainingJobArn"]
    assert steps["Evaluate"]["StepStatus"] == "Succeeded"
    assert "CacheHitResult" not in steps["Evaluate"], "its argument is another one"
    assert Processing(jobs).objects("evaluation/") == {"report.json": b'{"auc": 0.7}'}


# What a trial prints is its objective.
TRIAL = (
    "n = json.loads((root / 'input/config/hyperparameters.json').read_text())['n']; "
    "print('score:', n, flush=True)"
)


def tune(jobs: Jobs) -> dict[str, Any]:
    """A step of two training jobs; the higher number is the better one."""
    request = jobs.request()
    for name in ("TrainingJobName", "HyperParameters"):
        del request[name]
    metric = {"Name": "score", "Regex": "score: ([0-9]+)"}
    algorithm = request["AlgorithmSpecification"] | {"MetricDefinitions": [metric]}
    changed = {"AlgorithmSpecification": algorithm, "StaticHyperParameters": {"do": TRIAL}}
    arguments = {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "n", "Values": ["1", "2"]}]
            },
        },
        "TrainingJobDefinition": request | changed,
    }
    return {"Name": "Tune", "Type": "Tuning", "Arguments": arguments} | CACHED


def test_the_best_training_job_of_a_search_becomes_a_model_also_from_the_cache(
    any_jobs: Jobs,
) -> None:
    best = {"Get": "Steps.Tune.BestTrainingJob.TrainingJobName"}
    parts = [f"s3://{any_jobs.bucket}/models", best, "output/model.tar.gz"]
    data = {"Std:Join": {"On": "/", "Values": parts}}
    container = {"Image": any_jobs.image, "ModelDataUrl": data}
    arguments = {"PrimaryContainer": container, "ExecutionRoleArn": any_jobs.role}
    create = {"Name": "Create", "Type": "Model", "Arguments": arguments}
    pipeline = Pipeline(any_jobs, tune(any_jobs), create)
    first, (tuned, _) = pipeline.run()
    execution, (reused, created) = pipeline.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded", (tuned, reused, created)
    assert reused["CacheHitResult"] == {"SourcePipelineExecutionArn": first["PipelineExecutionArn"]}
    job = any_jobs.sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=reused["Metadata"]["TuningJob"]["Arn"].rpartition("/")[2]
    )["BestTrainingJob"]
    assert job["TunedHyperParameters"] == {"n": "2"}
    model = any_jobs.sagemaker.describe_model(
        ModelName=created["Metadata"]["Model"]["Arn"].rpartition("/")[2]
    )
    name = job["TrainingJobName"]
    assert model["PrimaryContainer"]["ModelDataUrl"].endswith(f"{name}/output/model.tar.gz")


UNTIL_SIGTERM = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); "
    "print('begun', flush=True); time.sleep(600)"
)


def test_a_job_that_is_refused_for_a_quota_is_tried_again(any_jobs: Jobs) -> None:
    """The account of the tests has one instance of this type."""
    cluster = {"InstanceType": "ml.c5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    policy = {
        "ExceptionType": ["SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 1,
        "BackoffRate": 1.0,
        "ExpireAfterMin": 10,
    }
    step = train(any_jobs, RetryPolicies=[policy])
    step["Arguments"]["ResourceConfig"] = cluster
    running = any_jobs.start(UNTIL_SIGTERM, ResourceConfig=cluster)
    wait_for(lambda: "begun" in any_jobs.log(running))
    pipeline = Pipeline(any_jobs, step)
    arn = pipeline.start()

    def attempts() -> int:
        steps = any_jobs.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
        return max((each["AttemptCount"] for each in steps["PipelineExecutionSteps"]), default=0)

    wait_for(lambda: attempts() > 1)
    any_jobs.sagemaker.stop_training_job(TrainingJobName=running)
    execution, (trained,) = pipeline.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", trained
    assert trained["AttemptCount"] > 1
