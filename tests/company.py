"""Every optional setting of a company at once, and without a fact of a real account."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.company import stack_parameters
from pipeline.settings import DEFAULT_CONFIG, Settings, load_settings

import yaml

KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
SUBNETS, SECURITY_GROUPS = ("subnet-0123456789abcdef0",), ("sg-0123456789abcdef0",)

EVERYTHING: dict[str, Any] = {
    "vpc": {"subnets": list(SUBNETS), "security_groups": list(SECURITY_GROUPS)},
    "kms_key": KEY,
    "permissions_boundary": BOUNDARY,
    "tags": {"cost-center": "4711", "team": "data science"},
    "schedule": "cron(0 6 ? * MON-FRI *)",
    "notify": "ml@example.com",
    "warm_pool_seconds": 600,
    "deploy_on_approval": True,
    "instance_type": ["ml.m5.xlarge", "ml.m5.large"],
}


def surroundings(client: Callable[[str], Any], region: str) -> dict[str, Any]:
    """Make a VPC with endpoints for S3 and ECR, and a key; return the settings that name them."""
    ec2, place = client("ec2"), f"com.amazonaws.{region}"
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="jobs", Description="jobs")["GroupId"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    table = tables["RouteTables"][0]["RouteTableId"]
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"{place}.s3", RouteTableIds=[table])
    for service in ("ecr.api", "ecr.dkr"):
        ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName=f"{place}.{service}",
            VpcEndpointType="Interface",
            SubnetIds=[subnet],
        )
    return {
        "vpc": {"subnets": [subnet], "security_groups": [group]},
        "kms_key": client("kms").create_key()["KeyMetadata"]["Arn"],
    }


def write_everything(path: Path, stack_name: str, changes: dict[str, Any]) -> None:
    """Write the project's pipeline.yaml with every setting of a company and the changes."""
    content = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    content |= EVERYTHING | changes
    content |= {"stack_name": stack_name, "pipeline_name": f"{stack_name}-survival"}
    content["data_file"] = str(DEFAULT_CONFIG.parent / content["data_file"])
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def main() -> None:
    """Print build/infrastructure.yml with every parameter set by default, for linters."""
    settings = Settings.model_validate(load_settings(DEFAULT_CONFIG).model_dump() | EVERYTHING)
    text = (DEFAULT_CONFIG.parent / "build" / "infrastructure.yml").read_text(encoding="utf-8")
    for name, value in stack_parameters(settings).items():
        declared = re.compile(rf'(?<=\n  {name}: {{Type: String, Default: )"[a-z]*"')
        text = declared.sub(json.dumps(value), text)
    print(text, end="")


if __name__ == "__main__":
    main()
