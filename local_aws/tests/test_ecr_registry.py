"""What stands in front of the registry, as a container engine meets it."""

import logging
import socket

from local_aws.ecr.registry import make_front
from local_aws.listener import serving

import pytest


def test_an_engine_that_tries_tls_first_leaves_no_line_in_the_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = make_front(lambda _environ, _start: [])
    address = ("127.0.0.1", server.server_port)
    with serving(server), socket.create_connection(address, timeout=60) as client:
        client.sendall(b"\x16\x03\x01\x00\xee\x01\x00\r\n\r\n")
        assert client.recv(1024)  # refused
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
