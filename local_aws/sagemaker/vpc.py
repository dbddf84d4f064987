"""The route of a job in a VPC to S3, which SageMaker uses through the job's subnets.

Source: "Give SageMaker AI Training Jobs Access to Resources in Your Amazon VPC", developer guide.
A job has no public address, so an internet gateway alone is no route to S3.
"""

from collections.abc import Mapping
from typing import Any

from local_aws.clients import Clients
from local_aws.errors import JobFailed

NO_ROUTE = (
    "Please ensure that the subnet's route table has a route to an S3 VPC endpoint or a NAT "
    "device, and both the security groups and the subnet's network ACL allow outbound traffic to "
    "S3."
)


def check_route(clients: Clients, config: Mapping[str, Any] | None) -> None:
    """Raise JobFailed if one of the subnets of a VpcConfig has no route to S3."""
    if not config:
        return
    ec2 = clients.client("ec2")
    for subnet in ec2.describe_subnets(SubnetIds=config["Subnets"])["Subnets"]:
        table = _route_table(ec2, subnet)
        nat = any("NatGatewayId" in route for route in table["Routes"])
        if not nat and table["RouteTableId"] not in _with_s3_endpoint(ec2, subnet["VpcId"]):
            raise JobFailed(f"ClientError: Data download failed: {NO_ROUTE}")


def _route_table(ec2: Any, subnet: dict[str, Any]) -> dict[str, Any]:
    """Return the route table of the subnet, or else the main one of its VPC."""
    choices = (
        {"association.subnet-id": subnet["SubnetId"]},
        {"vpc-id": subnet["VpcId"], "association.main": "true"},
    )
    for choice in choices:
        filters = [{"Name": name, "Values": [value]} for name, value in choice.items()]
        tables: list[dict[str, Any]] = ec2.describe_route_tables(Filters=filters)["RouteTables"]
        if tables:
            break
    return tables[0]


def _with_s3_endpoint(ec2: Any, vpc_id: str) -> set[str]:
    """Return the route tables with a VPC endpoint for S3."""
    service = f"com.amazonaws.{ec2.meta.region_name}.s3"
    wanted = {"vpc-id": vpc_id, "service-name": service}
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    endpoints = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    return {table for endpoint in endpoints for table in endpoint.get("RouteTableIds", [])}
