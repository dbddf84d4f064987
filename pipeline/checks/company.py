"""The settings of a company: deployed with the stack, and usable where a run needs them."""

from typing import Any

from container.errors import InputError
from pipeline.checks.check import CheckWarning
from pipeline.checks.run_context import RunContext, Services, known
from pipeline.company import stack_parameters

NOT_SET = ("", "false")  # values of a stack parameter
FAILS_A_RUN = ("InVpc", "KmsKeyArn", "Tagged")  # for want of a permission that the stack gives
DEPLOY = ".venv/bin/python build/deploy.py deploys the stack with the settings of pipeline.yaml"
ANYWHERE = "0.0.0.0/0"


def settings(_: Services, run: RunContext) -> str:
    """Check that the stack was deployed with the settings of pipeline.yaml."""
    stack = known(run.stack, "stack")
    asked = stack_parameters(run.settings)
    other = {
        name: value
        for name, value in asked.items()
        if value != stack.parameters.get(name, value if value in NOT_SET else "")
    }
    if other:
        finding = "the stack was deployed without " + ", ".join(
            f"{name} {value!r}" for name, value in other.items()
        )
        if any(value not in NOT_SET for name, value in other.items() if name in FAILS_A_RUN):
            raise InputError(finding, DEPLOY)
        raise CheckWarning(finding, DEPLOY)
    used = [name for name, value in asked.items() if value not in NOT_SET]
    return f"the stack has {', '.join(used) or 'no optional settings'}; tags are legal"


def vpc(services: Services, run: RunContext) -> str:
    """Check that jobs can reach S3 and ECR from each subnet."""
    where = run.settings.vpc
    if where is None:
        return "not set: jobs run in SageMaker's own VPC"
    known(run.identity, "identity")
    found = services.ec2.describe_subnets(Filters=_filter("subnet-id", *where.subnets))["Subnets"]
    if gone := sorted(set(where.subnets) - {each["SubnetId"] for each in found}):
        problem = f"vpc: {', '.join(gone)}: not in region {run.settings.region}"
        raise InputError(problem, "correct subnets in pipeline.yaml")
    for subnet in found:
        missing = _unreachable(services.ec2, subnet, f"com.amazonaws.{run.settings.region}.")
        if missing:
            raise (InputError if "s3" in missing[0] else CheckWarning)(
                f"vpc: {subnet['SubnetId']} has no route to {', '.join(missing)}",
                "give its VPC these endpoints (S3 as a gateway of its route table), or a NAT",
            )
    return f"{', '.join(where.subnets)}: S3 and ECR can be reached"


def _unreachable(ec2: Any, subnet: dict[str, Any], services: str) -> list[str]:
    """Return which of S3 and ECR can be reached neither by a NAT nor by an endpoint.

    A job has no public address, so an internet gateway does not help.
    """
    here = _filter("vpc-id", subnet["VpcId"])
    own = _filter("association.subnet-id", subnet["SubnetId"])
    main = here + _filter("association.main", "true")
    table = next(
        table
        for each in (own, main)
        for table in ec2.describe_route_tables(Filters=each)["RouteTables"]
    )
    for route in table["Routes"]:
        leads_out = not route.get("GatewayId", "").startswith(("igw-", "local", "vpce-"))
        if route.get("DestinationCidrBlock") == ANYWHERE and leads_out:
            return []
    reached = {
        each["ServiceName"]
        for each in ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
        if each.get("VpcEndpointType") == "Interface"
        or table["RouteTableId"] in each.get("RouteTableIds", [])
    }
    return [
        f"{services}{each}"
        for each in ("s3", "ecr.api", "ecr.dkr")
        if services + each not in reached
    ]


def _filter(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": list(values)}]


def key(services: Services, run: RunContext) -> str:
    """Check the state of the key. The checks of permissions cover who may use it."""
    arn = run.settings.kms_key
    if arn is None:
        return "not set: encrypted with a key of AWS"
    known(run.identity, "identity")
    try:
        found = services.kms.describe_key(KeyId=arn)["KeyMetadata"]
    except services.kms.exceptions.NotFoundException:
        raise InputError(f"kms_key: {arn} does not exist", "correct it in pipeline.yaml") from None
    kind = (found["KeyState"], found.get("KeySpec", "SYMMETRIC_DEFAULT"))
    if kind != ("Enabled", "SYMMETRIC_DEFAULT"):
        raise InputError(f"kms_key: {arn} is {' and '.join(kind)}", "use an enabled symmetric key")
    return f"{arn} is enabled"


def notify(services: Services, run: RunContext) -> str:
    """Check that the address for notifications has confirmed its subscription."""
    if run.settings.notify is None:
        return "not set: nobody is notified"
    topic = known(run.stack, "stack").notify_topic_arn
    if topic is None:
        raise InputError(f"notify: the stack has no topic for {run.settings.notify}", DEPLOY)
    try:
        pages = services.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        found = list(pages.search("Subscriptions[]"))
    except services.sns.exceptions.NotFoundException:
        raise InputError(f"notify: {topic} does not exist", DEPLOY) from None
    waiting = [each["Endpoint"] for each in found if not each["SubscriptionArn"].startswith("arn:")]
    if waiting or not found:
        raise CheckWarning(
            f"notify: {', '.join(waiting)} has not confirmed the subscription to {topic}"
            if waiting
            else f"notify: nobody has subscribed to {topic}",
            "open the link in the message from AWS, or run `aws sns subscribe` again",
        )
    return f"{len(found)} confirmed subscriptions to {topic}"
