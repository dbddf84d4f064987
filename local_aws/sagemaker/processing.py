"""One processing job: from the CreateProcessingJob request to its outputs in S3.

Sources: "CreateProcessingJob" and "DescribeProcessingJob" in the SageMaker API reference, "Build
Your Own Processing Container" in the developer guide.
"""

import json
from pathlib import Path
from typing import Any

from local_aws.account.account import PROCESSING, Usage
from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.runners.runner import ContainerSpec
from local_aws.sagemaker import vpc
from local_aws.sagemaker.cluster import HostFailed
from local_aws.sagemaker.instances import host_names, resource_config, selected, with_selection
from local_aws.sagemaker.opt_ml_tree import failure
from local_aws.sagemaker.program_job import ProgramJob
from local_aws.sagemaker.transfer import download_prefix, upload_files

LONGEST_RUN_SECONDS = 86_400  # unless the request says otherwise
MESSAGE = "message"  # below /opt/ml/output: the ExitMessage


class ProcessingJob(ProgramJob):
    """Runs a program with the inputs, and stores the folders of the outputs."""

    kind = "Processing"

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeProcessingJob."""
        resources = {"ClusterConfig": with_selection(self._cluster_config)}
        return super().describe() | {"ProcessingResources": resources}

    @property
    def usage(self) -> Usage:
        """The instances of the running job."""
        return instances(self._request)

    @property
    def _cluster_config(self) -> dict[str, Any]:
        config: dict[str, Any] = self._request["ProcessingResources"]["ClusterConfig"]
        return config

    def _run_in(self, folder: Path) -> None:
        self._check_capacity()
        s3 = self._services.clients.as_role(self._request["RoleArn"]).client("s3")
        self._update(ProcessingStartTime=now())
        roots = self._prepare(s3, folder)
        stopping = self._request.get("StoppingCondition", {})
        seconds = float(stopping.get("MaxRuntimeInSeconds", LONGEST_RUN_SECONDS))
        try:
            out_of_time = self._execute(self._container(roots), {"MaxRuntimeExceeded": seconds})
        except HostFailed as error:
            self._keep_message(roots[error.host])
            reason = failure(roots[error.host])
            raise JobFailed(f"AlgorithmError: {reason}, exit code: {error.exit_code}") from None
        self._keep_message(next(iter(roots.values())))
        self._upload(s3, list(roots.values()))
        stopped = out_of_time or self._stop_requested.is_set()
        self._finish("Stopped" if stopped else "Completed")

    def _prepare(self, s3: Any, folder: Path) -> dict[str, Path]:
        """Create and fill the /opt/ml tree of each host."""
        network = self._request.get("NetworkConfig", {})
        vpc.check_route(self._services.clients, network.get("VpcConfig"))
        kind, count = selected(self._cluster_config)
        hosts = host_names(count)
        for number, host in enumerate(hosts):
            root = folder / host
            for name in ("config", "processing", "output"):
                (root / name).mkdir(parents=True)
            for each in self._request.get("ProcessingInputs", []):
                source = each["S3Input"]
                sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
                shard = (number, count if sharded else 1)
                place = below(root, source["LocalPath"])
                if not download_prefix(s3, source["S3Uri"], place, shard):
                    raise JobFailed(
                        "ClientError: Data download failed: no S3 objects under "
                        f"{source['S3Uri']} (input {each['InputName']})"
                    )
            for each in self._outputs:
                below(root, each["LocalPath"]).mkdir(parents=True, exist_ok=True)
            files = {
                "processingjobconfig.json": self._job_config(),
                "resourceconfig.json": resource_config(host, hosts, kind),
            }
            for name, content in files.items():
                (root / "config" / name).write_text(json.dumps(content), encoding="utf-8")
        return {host: folder / host for host in hosts}

    @property
    def _outputs(self) -> list[dict[str, Any]]:
        outputs = self._request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return [each["S3Output"] for each in outputs]

    def _job_config(self) -> dict[str, Any]:
        """Return the content of processingjobconfig.json: the request with all members."""
        members = (
            "ProcessingInputs",
            "ProcessingOutputConfig",
            "ProcessingResources",
            "StoppingCondition",
            "NetworkConfig",
            "RoleArn",
        )
        absent = {"ContainerEntrypoint": None, "ContainerArguments": None}
        return {
            **{name: self._request.get(name) for name in members},
            "ProcessingJobArn": self.arn,
            "ProcessingJobName": self.name,
            "AppSpecification": absent | self._request["AppSpecification"],
            "Environment": self._request.get("Environment", {}),
        }

    def _container(self, roots: dict[str, Path]) -> ContainerSpec:
        application = self._request["AppSpecification"]
        return ContainerSpec(
            job=self.name,
            image=application["ImageUri"],
            role_arn=self._request["RoleArn"],
            instance_type=selected(self._cluster_config)[0],
            roots=roots,
            environment={
                **self._request.get("Environment", {}),
                "PROCESSING_JOB_NAME": self.name,
                "PROCESSING_JOB_ARN": self.arn,
            },
            entrypoint=tuple(application.get("ContainerEntrypoint", ())),
            arguments=tuple(application.get("ContainerArguments", ())),
            read_only=("config",),
            isolated=self._request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        )

    def _keep_message(self, root: Path) -> None:
        if message := failure(root, MESSAGE):
            self._update(ExitMessage=message)

    def _upload(self, s3: Any, roots: list[Path]) -> None:
        """Store the files of all hosts in the folder of each output."""
        key = self._request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        for each in self._outputs:
            folders = [below(root, each["LocalPath"]) for root in roots]
            upload_files(s3, folders, each["S3Uri"], key)


def instances(request: dict[str, Any]) -> Usage:
    """Return the instances that a CreateProcessingJob request asks for."""
    return Usage(PROCESSING, *selected(request["ProcessingResources"]["ClusterConfig"]))


def below(root: Path, path: str) -> Path:
    """Return the path in the job's tree for a path of the container below /opt/ml."""
    return root / path.removeprefix("/opt/ml/")
