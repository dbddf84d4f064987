"""The gateway of containers to local AWS: a proxy at the address of the engine's bridge.

A container cannot reach the loopback of this machine. Other machines can send packets to the
address of the bridge, so the gateway answers only clients on the networks of jobs. Like on
loopback, it refuses browsers and unsigned requests.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from local_aws.certificates import CertificateAuthority
from local_aws.clients import Clients
from local_aws.environment import proxy_environment
from local_aws.guard import Guard
from local_aws.listener import listening

BUNDLE = Path("/local-aws/ca.pem")  # in a container


class Gateway:
    """A port at the address of the bridge."""

    def __init__(self, bundle: Path) -> None:
        """Store the path of the file with the authority's certificate."""
        self.proxy = ""  # its URL, when it listens
        self.volumes = {str(bundle): {"bind": str(BUNDLE), "mode": "ro"}}
        self._networks: set[IPv4Network] = set()

    def environment(self, role: Clients, hosts: Iterable[str]) -> dict[str, str]:
        """Return the environment with which a program calls AWS as a role, through the gateway.

        Args:
            role: The clients of the job's role.
            hosts: The host names of the job.
        """
        given = role.environment()
        del given["AWS_ENDPOINT_URL"]  # of loopback; the proxy answers for AWS's own host names
        return given | proxy_environment(self.proxy, BUNDLE, direct=hosts)

    @contextmanager
    def admitting(self, network: Any) -> Iterator[None]:
        """Admit the containers of a network during the context."""
        subnets = {ip_network(each["Subnet"]) for each in network.attrs["IPAM"]["Config"]}
        added = {each for each in subnets if isinstance(each, IPv4Network)}
        self._networks |= added
        try:
            yield
        finally:
            self._networks -= added

    def admits(self, peer: str) -> bool:
        """Return whether this address is that of a job's container."""
        return any(ip_address(peer) in network for network in list(self._networks))


@contextmanager
def open_gateway(
    guard: Guard, authority: CertificateAuthority, engine: Any
) -> Iterator[Gateway | None]:
    """Yield a gateway, or None if the engine is on another (or a virtual) machine."""
    bridge = next(iter(engine.networks.list(names=["^bridge$"])), None)
    ranges = bridge.attrs["IPAM"]["Config"] if bridge else None
    address = ranges[0].get("Gateway", "") if ranges else ""
    if not _is_here(address):
        yield None
        return
    gateway = Gateway(authority.bundle)
    with gateway.admitting(bridge), listening(address, 0, guard, authority, gateway.admits) as port:
        gateway.proxy = f"http://{address}:{port}"
        yield gateway


def _is_here(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return bool(address)
