"""How containers reach local AWS: through a proxy at the address of the engine's bridge.

A container has a loopback of its own. The bridge's address is one of this machine, to which other
machines can send packets: only clients on the networks of the jobs are answered. Beyond that the
rules of loopback hold: nothing for a browser, and nothing without a signature.
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
    """A port on the address that the bridge has on this machine."""

    def __init__(self, bundle: Path) -> None:
        """Take the file with the certificate of the authority."""
        self.proxy = ""  # its URL, when it listens
        self.volumes = {str(bundle): {"bind": str(BUNDLE), "mode": "ro"}}
        self._networks: set[IPv4Network] = set()

    def environment(self, role: Clients, hosts: Iterable[str]) -> dict[str, str]:
        """Return what makes a program call as a role, and leave this machine for nothing.

        Args:
            role: The clients of the job's role.
            hosts: The names that the hosts of a job have for each other.
        """
        given = role.environment()
        del given["AWS_ENDPOINT_URL"]  # of loopback; the proxy answers for AWS's own host names
        return given | proxy_environment(self.proxy, BUNDLE, direct=hosts)

    @contextmanager
    def admitting(self, network: Any) -> Iterator[None]:
        """Answer the containers of a network of the engine."""
        subnets = {ip_network(each["Subnet"]) for each in network.attrs["IPAM"]["Config"]}
        added = {each for each in subnets if isinstance(each, IPv4Network)}
        self._networks |= added
        try:
            yield
        finally:
            self._networks -= added

    def admits(self, peer: str) -> bool:
        """Return whether a client with this address is that of a container of a job."""
        return any(ip_address(peer) in network for network in list(self._networks))


@contextmanager
def open_gateway(
    guard: Guard, authority: CertificateAuthority, engine: Any
) -> Iterator[Gateway | None]:
    """Yield a gateway, or None where the engine is not on this machine, as in a virtual one."""
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
