"""Checks of the instance type: its quota, its size, its memory, and its GPU."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from container.errors import InputError
from pipeline.checks.check import CheckWarning, settled
from pipeline.checks.run_context import NotChecked, RunContext, Services, known
from pipeline.endpoint import is_aws
from pipeline.image import CUDA, NONE
from pipeline.instances import choice
from pipeline.instances.choice import MEMORY_FACTOR, JobRequirements, quota_request
from pipeline.instances.facts import (
    ALL_JOBS,
    PAGE_SIZE,
    WARM_POOL,
    Page,
    Size,
    instance_type_requests,
    read_quotas,
    read_sizes,
)
from pipeline.instances.survey import SURVEY_FILE, job_requirements, read_survey
from pipeline.runs import RUNS, completed_runs
from pipeline.settings import listed_types

MIB = 1024**2


def quota(services: Services, run: RunContext) -> str:
    """Check that the quota of each type, spot or on demand, covers the instances of the run."""
    known(run.identity, "identity")
    settings, instance_types = run.settings, listed_types(settled(run.instance_type))
    job = JobRequirements(settings.instance_count, settings.spot, None)
    keys = {(each, job.purchase): f"{each} {job.purchase}" for each in instance_types}
    keys[ALL_JOBS[job.purchase], job.purchase] = f"instances {job.purchase} for all jobs"
    kept = (instance_types[0], WARM_POOL)  # of a search
    wanted = {*keys, kept} if settings.warm_pool_seconds else set(keys)
    with ThreadPoolExecutor(2) as pool:
        defaults, applied = pool.map(
            lambda operation: _pages(services.quotas, operation, wanted),
            ("list_aws_default_service_quotas", "list_service_quotas"),
        )
    quotas = read_quotas(defaults, applied)
    for key, what in keys.items():
        if key in quotas and quotas[key].instances < job.instances:
            raise InputError(
                f"the account may have {quotas[key].instances:g} {what}, {job.instances} is needed",
                f"{quota_request(quotas[key], job, settings.region)}; or list the usable types: "
                ".venv/bin/python pipeline/smallest_instance.py",
            )
    found = []
    for each in instance_types:
        if (each, job.purchase) not in quotas:
            raise CheckWarning(
                f"Service Quotas has no quota for {each} {job.purchase} in {settings.region}: the "
                "type may not be available",
                ".venv/bin/python pipeline/smallest_instance.py lists the available types",
            )
        most = quotas[each, job.purchase]
        found.append(f"{job.instances} of {most.instances:g} {each} {job.purchase}")
    if settings.warm_pool_seconds and (kept not in quotas or quotas[kept].instances < 1):
        raise CheckWarning(
            f"the account may keep no {kept[0]} {WARM_POOL}: a search with warm_pool_seconds fails",
            f"ask Service Quotas for {kept[0]} for training warm pool usage, or leave it out",
        )
    return ", ".join(found)


def smallest(services: Services, run: RunContext) -> str:
    """Check that the saved survey of the account proves the type to be the smallest."""
    known(run.identity, "identity")
    types = ", ".join(listed_types(known(run.instance_type, "instance type")))
    survey, on_aws = read_survey(SURVEY_FILE), is_aws(services.sts.meta.endpoint_url)
    if (
        survey is None
        or survey.region != run.settings.region
        or is_aws(survey.answers[0].endpoint) != on_aws
    ):
        if not on_aws:
            raise NotChecked(f"no {SURVEY_FILE} yet; a rehearsal writes one into its record")
        raise CheckWarning(
            f"no {SURVEY_FILE} of {run.settings.region} proves that {types} is the smallest",
            ".venv/bin/python pipeline/smallest_instance.py writes the proof",
        )
    best = choice.smallest(choice.usable(survey.instance_types))
    if best is None or best.instance_type != types:
        raise CheckWarning(
            f"{types} is not the smallest: {best.instance_type if best else 'none'} is, by "
            f"{SURVEY_FILE}",
            "set instance_type: smallest in pipeline.yaml, or give a reason for a larger one",
        )
    return f"{types}, by {SURVEY_FILE}"


def memory(services: Services, run: RunContext) -> str:
    """Check that the memory holds the newest run's peak, or else the data, MEMORY_FACTOR times."""
    known(run.identity, "identity")
    instance_types = listed_types(known(run.instance_type, "instance type"))
    channels = known(run.dataset, "data").channels
    peak = _peak_memory_mib(run)
    held, source = (
        (sum(map(len, channels.values())) // MIB, "the data has")
        if peak is None
        else (peak, "the training program used")
    )
    sizes = {each: _size(services, each) for each in instance_types}
    for each, size in sizes.items():
        if size is None:
            raise CheckWarning(
                f"EC2 does not list {each} in {run.settings.region}: a job may be refused, and "
                "the memory is unknown",
                ".venv/bin/python pipeline/smallest_instance.py lists what the region has",
            )
    least, there = min(
        ((each, size.memory_mib) for each, size in sizes.items() if size), key=lambda it: it[1]
    )
    finding = f"{least} has {there:,} MiB, {source} {held:,} MiB"
    if there < held:
        raise InputError(finding, "choose a larger instance_type, or a smaller data_file")
    if there < MEMORY_FACTOR * held:
        raise CheckWarning(
            finding, f"choose an instance_type with {MEMORY_FACTOR} times that memory"
        )
    return finding


def accelerator(services: Services, run: RunContext) -> str:
    """Check that the image uses the GPUs of the instance type, if it has any."""
    known(run.identity, "identity")
    instance_types = listed_types(known(run.instance_type, "instance type"))
    found = [_accelerator(services, each, run.settings.accelerator) for each in instance_types]
    return "; ".join(found)


def _accelerator(services: Services, instance_type: str, image_for: str) -> str:
    size = _size(services, instance_type)
    if size is None:
        raise NotChecked(f"EC2 does not have {instance_type}")
    gpus = "no GPU" if not size.gpus else f"{size.gpus} GPU{'s' * (size.gpus > 1)}"
    finding = f"{instance_type} has {gpus}, the image is for {image_for}"
    if size.gpus and image_for == NONE:
        raise CheckWarning(
            f"{finding}: the GPU would be idle",
            f"set accelerator: {CUDA} in pipeline.yaml and run "
            "`.venv/bin/python build/push_image.py`, or choose an instance_type without a GPU",
        )
    if size.gpus > 1:
        raise CheckWarning(
            f"{finding}: the program uses one on each instance",
            "choose an instance_type with one GPU, and more of them with instance_count",
        )
    if not size.gpus and image_for == CUDA:
        return f"{finding}: it will train on the CPU"
    return finding


def _size(services: Services, instance_type: str) -> Size | None:
    """Return memory and CPUs of an instance type, or None where the region does not have it."""
    (request,) = instance_type_requests([instance_type])
    return read_sizes([services.ec2.describe_instance_types(**request)]).get(instance_type)


def _pages(client: Any, operation: str, wanted: set[tuple[str, str]]) -> list[Page]:
    """Return pages until all of `wanted` are found: an account has thousands of quotas."""
    pages: list[Page] = []
    missing = set(wanted)
    for page in client.get_paginator(operation).paginate(
        ServiceCode="sagemaker", MaxResults=PAGE_SIZE
    ):
        pages.append(page)
        missing -= read_quotas((), [page]).keys()
        if not missing:
            break
    return pages


def _peak_memory_mib(run: RunContext) -> int | None:
    try:
        runs = completed_runs(RUNS, run.settings.region, run.settings.pipeline_name)
    except InputError:  # a record that cannot be read proves nothing
        return None
    return job_requirements(run.settings, runs).peak_memory_mib
