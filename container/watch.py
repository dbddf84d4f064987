"""Watches over the hosts of a training: they meet before it, and know when one is lost.

Each host keeps a connection to the first one, and both sides say something every few seconds. What
the first one learns of a host, it tells the others. XGBoost's own collective knows only that some
connection failed, and of a host that is cut off nothing at all. Standard library only.
"""

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from container.errors import InputError

PORT = 29371  # of the first host
WAIT_SECONDS = 1200.0  # for the hosts to start: instances, images and data take their time
RETRY_SECONDS = 0.5
BEAT_SECONDS = 2.0
SILENCE_SECONDS = 20.0  # without a word, a host is lost
PATIENCE_SECONDS = 10.0  # longer with the first host: it shall be the first to say who is lost
VERDICT_SECONDS = SILENCE_SECONDS + PATIENCE_SECONDS + 2 * BEAT_SECONDS  # at most

HINT = "see the log of that host; start the job again"


class HostLost(InputError):
    """Another host has failed, or cannot be heard any more."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"{host} {why}", HINT)
        self.host = host
        self.why = why


class _Peer:
    """The connection to one other host: lines of JSON, each way."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.connection = connection
        self.host = host
        self.heard = time.monotonic()
        self._rest = b""

    def say(self, **message: Any) -> None:
        with suppress(OSError):  # that it is gone, reading will tell
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def messages(self) -> list[dict[str, Any]]:
        """Those that have come. Raises ConnectionError when the other side has closed."""
        received = self.connection.recv(65536)
        if not received:
            raise ConnectionError("closed")
        self.heard = time.monotonic()
        *lines, self._rest = (self._rest + received).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait_for_message(self, until: float) -> dict[str, Any]:
        """The next one. Raises OSError."""
        while True:
            self.connection.settimeout(max(0.1, until - time.monotonic()))
            messages = self.messages()
            if messages:
                return messages[0]


class Watch:
    """That of one host over the others."""

    def __init__(
        self, hosts: Sequence[str], current: str, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._wait_seconds = wait_seconds
        self._lost: HostLost | None = None
        self._told = threading.Event()  # the others know of it
        self._hosts = list(hosts)
        self._current = current
        self._leads = current == hosts[0]
        self._peers: list[_Peer] = []
        self._over = threading.Event()

    def meet(self, offer: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        """Waits for all hosts; each gets what `offer` returns on the first host for its own
        address. Raises InputError naming the hosts that did not come."""
        until = time.monotonic() + self._wait_seconds
        if self._leads:
            self._peers = self._await_others(until)
            address: str = self._peers[0].connection.getsockname()[0]
            offered = offer(address)
            for peer in self._peers:
                peer.say(offer=offered)
            return offered
        first = self._reach_first(until)
        self._peers = [first]
        first.say(host=self._current)
        try:
            message = first.wait_for_message(until + PATIENCE_SECONDS)
        except OSError as error:
            raise HostLost(first.host, f"ended before all hosts had met: {error}") from None
        if "lost" in message:
            raise HostLost(*message["lost"])
        met: dict[str, Any] = message["offer"]
        return met

    def start(self, give_up: Callable[[HostLost], None]) -> None:
        """From now on another thread watches, until `end`; it calls `give_up` once when a host is
        lost."""
        threading.Thread(target=self._watch, args=(give_up,), daemon=True).start()

    def end(self, reason: str | None) -> None:
        """Says goodbye, and why if this host has failed."""
        self._over.set()
        for peer in self._peers:
            peer.say(end=reason)

    def verdict(self, seconds: float) -> HostLost | None:
        """Who is lost, which it may take a while to know."""
        self._told.wait(seconds)
        return self._lost

    def _await_others(self, until: float) -> list[_Peer]:
        awaited = set(self._hosts[1:])
        peers: list[_Peer] = []
        with socket.create_server(("", PORT), backlog=len(self._hosts)) as server:
            while awaited:
                server.settimeout(max(0.1, until - time.monotonic()))
                try:
                    connection, _ = server.accept()
                    peer = _Peer(connection, "?")
                    peer.host = peer.wait_for_message(time.monotonic() + SILENCE_SECONDS)["host"]
                except (ConnectionError, ValueError, LookupError):
                    continue  # somebody else looked at the port
                except TimeoutError:
                    if time.monotonic() < until:
                        continue
                    missing = ", ".join(sorted(awaited))
                    for peer in peers:
                        peer.say(lost=[missing, "did not start"])
                    raise InputError(
                        f"{missing}: not started after {self._wait_seconds:.0f} s", HINT
                    ) from None
                if peer.host in awaited:
                    awaited.remove(peer.host)
                    peers.append(peer)
        return peers

    def _reach_first(self, until: float) -> _Peer:
        first = self._hosts[0]
        while True:
            try:
                return _Peer(socket.create_connection((first, PORT), SILENCE_SECONDS), first)
            except OSError as error:  # it has no name, or does not listen, yet
                if time.monotonic() > until:
                    raise InputError(
                        f"{first}: not started after {self._wait_seconds:.0f} s: {error}", HINT
                    ) from None
            time.sleep(RETRY_SECONDS)

    def _watch(self, give_up: Callable[[HostLost], None]) -> None:
        with selectors.DefaultSelector() as selector:
            for peer in self._peers:
                peer.connection.settimeout(BEAT_SECONDS)
                peer.heard = time.monotonic()
                selector.register(peer.connection, selectors.EVENT_READ, peer)
            said = 0.0
            while not self._over.is_set() and not self._lost and selector.get_map():
                if time.monotonic() - said >= BEAT_SECONDS:
                    said = time.monotonic()
                    for peer in self._peers:
                        peer.say()
                for key, _ in selector.select(BEAT_SECONDS):
                    if not self._listen(key.data):
                        selector.unregister(key.fileobj)
                self._lost = self._lost or self._silent(
                    [key.data for key in selector.get_map().values()]
                )
        if self._lost and not self._over.is_set():
            for peer in self._peers:
                peer.say(lost=[self._lost.host, self._lost.why])
            self._told.set()
            give_up(self._lost)

    def _silent(self, peers: Sequence[_Peer]) -> HostLost | None:
        limit = SILENCE_SECONDS + (0.0 if self._leads else PATIENCE_SECONDS)
        silent = [peer.host for peer in peers if time.monotonic() - peer.heard > limit]
        if not silent:
            return None
        return HostLost(", ".join(silent), f"could not be heard for {limit:.0f} s")

    def _listen(self, peer: _Peer) -> bool:
        """Whether there is more to come of it."""
        try:
            messages = peer.messages()
        except OSError:
            self._lost = self._lost or HostLost(peer.host, "has died")
            return False
        for message in messages:
            if "lost" in message:
                self._lost = self._lost or HostLost(*message["lost"])
            elif message.get("end"):
                self._lost = self._lost or HostLost(peer.host, f"has failed: {message['end']}")
            elif "end" in message:
                return False
        return True
