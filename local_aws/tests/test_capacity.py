"""How much one local AWS holds and carries."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local_aws.tests.conftest import serving
from local_aws.tests.jobs import Jobs
from local_aws.tests.waiting import wait_for_execution
from local_aws.workspace import LOCK

import pytest
from botocore.exceptions import ClientError

EXECUTIONS = 20
IDLE_MIB = 250


def test_twenty_executions_at_the_same_time_all_end_right(jobs: Jobs) -> None:
    """Each has a job of its own, which writes down the number of its execution."""
    # Spot, of a type without a quota here: more than any account may have on demand.
    request = jobs.request(
        {"Get": "Parameters.Do"},
        ResourceConfig={"InstanceType": "ml.m7i.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600},
    )
    del request["TrainingJobName"]
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Do", "Type": "String"}],
        "Steps": [{"Name": "Train", "Type": "Training", "Arguments": request}],
    }
    sagemaker = jobs.sagemaker
    sagemaker.create_pipeline(
        PipelineName="twenty",
        PipelineDefinition=json.dumps(definition),
        RoleArn=jobs.role,
        ClientRequestToken="x" * 32,
    )

    def run(number: int) -> tuple[str, str]:
        """Return the status of an execution, and the last line of its job's log."""
        do = {"Name": "Do", "Value": f"print('execution {number}')"}
        started = sagemaker.start_pipeline_execution(
            PipelineName="twenty", PipelineParameters=[do], ClientRequestToken=f"{number:032}"
        )
        arn = {"PipelineExecutionArn": started["PipelineExecutionArn"]}
        found = wait_for_execution(sagemaker, started["PipelineExecutionArn"])
        (step,) = sagemaker.list_pipeline_execution_steps(**arn)["PipelineExecutionSteps"]
        job = step["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
        return found["PipelineExecutionStatus"], jobs.log(job)[-1]

    with ThreadPoolExecutor(EXECUTIONS) as pool:
        outcomes = list(pool.map(run, range(EXECUTIONS)))
    assert outcomes == [("Succeeded", f"execution {number}") for number in range(EXECUTIONS)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_one_holds_less_than_250_mib(tmp_path: Path) -> None:
    with serving(tmp_path):
        (lock,) = tmp_path.glob(f"local-aws-*/{LOCK}")
        status = Path(f"/proc/{lock.read_text().strip()}/status").read_text()
        (held,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        assert int(held.split()[1]) / 1024 < IDLE_MIB


def test_quotas_of_the_configuration_are_those_of_the_account(jobs: Jobs) -> None:
    """The account of the tests has 2 of ml.c5.xlarge, where its kind has none."""
    name = "ml.c5.xlarge for training job usage"
    pages = jobs.clients.client("service-quotas").get_paginator("list_service_quotas")
    (applied,) = pages.paginate(ServiceCode="sagemaker").search(f"Quotas[?QuotaName=='{name}']")
    assert applied["Value"] == 2

    def start(do: str, count: int) -> str:
        config = {"InstanceType": "ml.c5.xlarge", "InstanceCount": count, "VolumeSizeInGB": 1}
        return jobs.start(do, ResourceConfig=config)

    first, second = (start("import time; time.sleep(600)", 1) for _ in range(2))
    with pytest.raises(
        ClientError, match=f"'{name}' is 2 Instances, with current utilization of 2"
    ):
        start("", 1)
    for each in (first, second):
        jobs.sagemaker.stop_training_job(TrainingJobName=each)
        jobs.wait(each)
    assert jobs.wait(start("", 1))["TrainingJobStatus"] == "Completed"
