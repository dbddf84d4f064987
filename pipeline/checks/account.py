"""The account: identity, endpoints, stack and repository."""

import re

from container.errors import InputError
from pipeline.checks.check import settled
from pipeline.checks.run_context import RunContext, Services, known
from pipeline.endpoint import is_aws

_REGION = re.compile(r"\b[a-z]{2,4}(?:-[a-z]+)+-\d\b")
_ECR = re.compile(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.[a-z0-9.-]+/.+")


def identity(_: Services, run: RunContext) -> str:
    """Return the ARN of the caller. Raises Refused or NotChecked without one."""
    return settled(run.identity)


def stack(_: Services, run: RunContext) -> str:
    """Check that the stack is complete."""
    found = settled(run.stack)
    return f"{run.settings.stack_name} is complete in account {found.account}"


def endpoints(services: Services, run: RunContext) -> str:
    """Check that all services have the same endpoint, and the region of pipeline.yaml."""
    urls = {name: str(client.meta.endpoint_url) for name, client in vars(services).items()}
    elsewhere = {name: url for name, url in urls.items() if not is_aws(url)}
    if elsewhere and (len(elsewhere) < len(urls) or len(set(elsewhere.values())) > 1):
        named = ", ".join(f"{name} at {url}" for name, url in sorted(urls.items()))
        raise InputError(
            f"the services have different endpoints: {named}",
            "unset AWS_ENDPOINT_URL and each AWS_ENDPOINT_URL_<SERVICE>, or set only the first",
        )
    region = run.settings.region
    wrong = {
        name: url
        for name, url in urls.items()
        if name != "iam" and (named_region := _REGION.search(url)) and named_region[0] != region
    }
    if wrong:
        named = ", ".join(f"{name} at {url}" for name, url in sorted(wrong.items()))
        raise InputError(f"not in region {region}: {named}", "correct AWS_ENDPOINT_URL, or region")
    return f"region {region}, {next(iter(elsewhere.values()), 'at AWS')}"


def repository(_: Services, run: RunContext) -> str:
    """Check that images are pulled from the region of the training job, as SageMaker requires."""
    uri = known(run.stack, "stack").repository_uri
    in_ecr = _ECR.fullmatch(uri)
    if in_ecr and in_ecr[1] != run.settings.region:
        raise InputError(
            f"{uri} is not in region {run.settings.region}",
            "set region in pipeline.yaml to that of the stack",
        )
    return uri
