"""The state of local AWS since its start: jobs, endpoints and executions."""

import threading
from dataclasses import dataclass

from local_aws.account.account import Usage
from local_aws.sagemaker.callbacks import Callbacks
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.endpoint_config import EndpointConfig
from local_aws.sagemaker.execution import Execution
from local_aws.sagemaker.model import Model
from local_aws.sagemaker.processing import ProcessingJob
from local_aws.sagemaker.program_job import JobServices, ProgramJob
from local_aws.sagemaker.step_cache import StepCache
from local_aws.sagemaker.training import TrainingJob
from local_aws.sagemaker.transform import TransformJob
from local_aws.sagemaker.tuning import TuningJob


@dataclass
class BackendState(JobServices):
    """The jobs and executions by name or ARN, and the services that they use."""

    def __post_init__(self) -> None:
        self.jobs: dict[str, TrainingJob] = {}
        self.processing_jobs: dict[str, ProcessingJob] = {}
        self.tuning_jobs: dict[str, TuningJob] = {}
        self.executions: dict[str, Execution] = {}
        self.models: dict[str, Model] = {}
        self.transform_jobs: dict[str, TransformJob] = {}
        self.endpoint_configs: dict[str, EndpointConfig] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.cache = StepCache()
        self.callbacks = Callbacks()
        self.tokens: dict[tuple[str, str], str] = {}  # operation and ClientRequestToken -> its ARN
        self.tags: dict[str, dict[str, str]] = {}  # of each ARN
        self.lock = threading.RLock()  # of what one request may do once only

    def usage(self) -> list[Usage]:
        """Return the instances of all running jobs and of all endpoints."""
        found = [job.usage for job in self._jobs() if not job.ended]
        return found + [each for one in list(self.endpoints.values()) for each in one.usage]

    def interrupt(self, name: str | None, grace_seconds: float, capacity_after: float) -> str:
        """Interrupt a spot training job (the running one if no name is given); return its name.

        Raises ValueError if there is no such job, or it has no spot instances.
        """
        running = [job for job in self.jobs.values() if not job.ended]
        found = [job for job in running if name in (None, job.name)]
        if len(found) != 1:
            names = ", ".join(job.name for job in running) or "none"
            raise ValueError(f"running training jobs: {names}")
        found[0].interrupt(grace_seconds, capacity_after)
        return found[0].name

    def end(self) -> None:
        """Stop everything, and wait until nothing runs."""
        for execution in self.executions.values():
            execution.end()
        for tuning_job in self.tuning_jobs.values():
            tuning_job.stop()
        for job in self._jobs():
            job.stop(grace_seconds=0)
        for endpoint in list(self.endpoints.values()):
            endpoint.end()
        for task in (*self.executions.values(), *self.tuning_jobs.values()):
            task.join()
        for job in self._jobs():
            job.join()

    def _jobs(self) -> list[ProgramJob]:
        return [*self.jobs.values(), *self.processing_jobs.values(), *self.transform_jobs.values()]
