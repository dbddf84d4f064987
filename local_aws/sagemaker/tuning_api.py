"""The API of tuning jobs. It replaces moto's jobs, which start no training jobs."""

from typing import Any

from local_aws.sagemaker.listing import listed
from local_aws.sagemaker.search import candidates
from local_aws.sagemaker.training_api import TrainingApi
from local_aws.sagemaker.tuning import TuningJob, objective
from local_aws.sagemaker.tuning_request import problems, training_request

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ResourceNotFound


class TuningApi(TrainingApi):
    """The operations on tuning jobs."""

    def create_hyper_parameter_tuning_job(self) -> ActionResult:
        """Check the first training job, and start a tuning job."""
        request = self._request()
        found = problems(request, self.current_account)
        self._refuse(found)
        name = request["HyperParameterTuningJobName"]
        if name in self.state.tuning_jobs:
            raise ResourceInUseException(f"Tuning job {name} already exists")
        config = request["HyperParameterTuningJobConfig"]
        first = training_request(request, f"{name}-001", next(candidates(config)))
        parallel = config["ResourceLimits"]["MaxParallelTrainingJobs"]
        self._check_training_job(first, jobs=parallel)
        arn = self._arn_of(f"hyper-parameter-tuning-job/{name}")

        def start(each: dict[str, Any]) -> Any:
            self._check_training_job(each)
            return self._start_training_job(each | {"TuningJobArn": arn})

        job = self.state.tuning_jobs[name] = TuningJob(request, arn, start)
        job.start()
        return ActionResult({"HyperParameterTuningJobArn": arn})

    def describe_hyper_parameter_tuning_job(self) -> ActionResult:
        """Answer with a tuning job's request, status, counts and best training job."""
        return ActionResult(self._tuning_job().describe())

    def stop_hyper_parameter_tuning_job(self) -> ActionResult:
        """Stop a tuning job and its running training jobs."""
        self._tuning_job().stop()
        return EmptyResult()

    def list_training_jobs_for_hyper_parameter_tuning_job(self) -> ActionResult:
        """Answer with a page of a tuning job's training jobs, sorted as on AWS."""
        request = {"SortBy": "Name", "SortOrder": "Ascending", **self._request()}
        found = listed(self._tuning_job().training_jobs(), "TrainingJob", request)
        if request["SortBy"] == "FinalObjectiveMetricValue":
            judged = [each for each in found if each["ObjectiveStatus"] == "Succeeded"]
            found = sorted(judged, key=objective, reverse=request["SortOrder"] == "Descending")
        return self._page("TrainingJobSummaries", found)

    def list_hyper_parameter_tuning_jobs(self) -> ActionResult:
        """Answer with a page of tuning jobs."""
        jobs = self.state.tuning_jobs
        return self._list("HyperParameterTuningJobSummaries", "HyperParameterTuningJob", jobs)

    def _tuning_job(self) -> TuningJob:
        name = self._get_param("HyperParameterTuningJobName")
        if name not in self.state.tuning_jobs:
            raise ResourceNotFound(
                f"Amazon SageMaker can't find a tuning job with the name {name} in {self.region}"
            )
        return self.state.tuning_jobs[name]
