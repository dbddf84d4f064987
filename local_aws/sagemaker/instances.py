"""The instances of a job."""

from typing import Any


def selected(cluster: dict[str, Any]) -> tuple[str, int]:
    """Return the type and the count of a ResourceConfig or ClusterConfig.

    In a list of preferences, the first type always has capacity.
    """
    first = cluster.get("InstancePreferences", [{}])[0]
    kind = cluster.get("InstanceType") or first.get("InstanceType", "")
    count = first.get("InstanceCount") or cluster.get("InstanceCount", 0)
    return str(kind), int(count)


def with_selection(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return a ResourceConfig or ClusterConfig in the form of the Describe call."""
    if "InstancePreferences" not in cluster:
        return cluster
    kind, count = selected(cluster)
    return cluster | {"SelectedInstanceType": kind, "SelectedInstanceCount": count}


def host_names(count: int) -> list[str]:
    """Return the names of the hosts."""
    return [f"algo-{number}" for number in range(1, count + 1)]


def resource_config(host: str, hosts: list[str], kind: str) -> dict[str, Any]:
    """Return the content of resourceconfig.json."""
    return {
        "current_host": host,
        "current_instance_type": kind,
        "current_group_name": "homogeneousCluster",
        "hosts": hosts,
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": hosts}
        ],
        "network_interface_name": "eth0",
    }
