"""The training program of an image that tests make: does what the hyperparameter `do` says, and
leaves in the model folder what the host has seen. Standard library only."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

OPT_ML = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
PORT = 9000
MEBIBYTE = 2**20


def main() -> None:
    config = OPT_ML / "input" / "config"
    resources = json.loads((config / "resourceconfig.json").read_text())
    hyperparameters = json.loads((config / "hyperparameters.json").read_text())
    host = resources["current_host"]
    channels = OPT_ML / "input" / "data"
    files = {
        channel.name: sorted(path.name for path in channel.iterdir())
        for channel in (channels.iterdir() if channels.is_dir() else ())
    }
    print(f"{host}: {hyperparameters}", flush=True)
    do, _, argument = hyperparameters.get("do", "meet").strip('"').partition(" ")
    heard = meet(host, resources["hosts"])
    seen = {"resources": resources, "channels": files, "heard": heard}
    for folder in (OPT_ML / "model", OPT_ML / "output" / "data"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{host}.json").write_text(json.dumps(seen))
    if do == "fail" and host == argument:
        (OPT_ML / "output" / "failure").write_text(f"{host} fails on request")
        sys.exit(3)
    if do == "fail":
        hang()
    if do == "wait":
        wait()
    if do == "eat":
        eat(int(argument))
    if do == "fill":
        fill()


def meet(host: str, hosts: list[str]) -> dict[str, str]:
    """What each other host says to this one, while this one says its name to each other host."""
    heard = {}
    with socket.create_server(("", PORT)) as server:
        for speaker in hosts:
            if speaker == host:
                for _ in range(len(hosts) - 1):
                    connection, _address = server.accept()
                    with connection:
                        connection.sendall(f"{host} speaking".encode())
            else:
                heard[speaker] = listen_to(speaker)
    return heard


def listen_to(host: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection((host, PORT), timeout=10) as connection:
                return connection.makefile().read()
        except OSError:  # not started yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def hang() -> None:
    """The first process of a container ignores SIGTERM unless it has a handler."""
    while True:
        time.sleep(60)


def wait() -> None:
    signal.signal(signal.SIGTERM, terminate)
    print("waiting", flush=True)
    while True:
        time.sleep(60)


def terminate(_signum: int, _frame: FrameType | None) -> None:
    print("SIGTERM came", flush=True)
    sys.exit(143)


def eat(mebibytes: int) -> None:
    eaten = []
    for number in range(mebibytes):
        eaten.append(b"x" * MEBIBYTE)
        if number % 512 == 0:
            print(f"{number} MiB eaten", flush=True)


def fill() -> None:
    """Raises OSError when the volume is full."""
    with (OPT_ML / "model" / "big").open("wb") as file:
        while True:
            file.write(b"x" * MEBIBYTE)


if __name__ == "__main__":
    main()
