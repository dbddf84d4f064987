"""Print a CycloneDX SBOM of the image in which this program runs.

build/buildspec.yml starts it with the Python of the image. It finds Python packages by their
metadata and Debian packages in dpkg's status file, and needs no other tool. Its arguments are NAME
and VERSION of the image, then facts of the build as PROPERTY=VALUE.
"""

import json
import platform
import sys
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")

Component = dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the CycloneDX document.

    Args:
        argv: Name and version of the image, then its properties as NAME=VALUE.
    """
    name, version, *properties = sys.argv[1:] if argv is None else argv
    facts = dict(each.split("=", 1) for each in properties)
    json.dump(sbom(name, version, facts, components()), sys.stdout, indent=1)
    return 0


def sbom(
    name: str, version: str, properties: dict[str, str], components: Sequence[Component]
) -> dict[str, Any]:
    """Return the document. Source: CycloneDX 1.6, JSON reference."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {"type": "container", "name": name, "version": version},
            "properties": [
                {"name": name, "value": value} for name, value in sorted(properties.items())
            ],
        },
        "components": sorted(components, key=lambda each: each["purl"]),
    }


def components() -> list[Component]:
    """Return the installed components: the interpreter, Python packages, Debian packages."""
    python = platform.python_version()
    found = [component("python", python, f"pkg:generic/python@{python}"), *python_packages()]
    if DPKG_STATUS.exists():
        found += debian_packages(DPKG_STATUS.read_text(encoding="utf-8"))
    return list({each["purl"]: each for each in found}.values())


def python_packages() -> Iterator[Component]:
    """Yield the distributions that this interpreter can import."""
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"].lower().replace("_", "-")
        yield component(name, distribution.version, f"pkg:pypi/{name}@{distribution.version}")


def debian_packages(status: str) -> Iterator[Component]:
    """Yield the installed packages of a dpkg status file: paragraphs of `Field: value` lines."""
    for paragraph in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line and not line[0].isspace()
        )
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            place = f"{name}@{quote(version, safe='')}?arch={fields['Architecture']}"
            yield component(name, version, f"pkg:deb/debian/{place}")


def component(name: str, version: str, purl: str) -> Component:
    """Return one component; `purl` is its package URL (the purl specification)."""
    return {"type": "library", "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    raise SystemExit(main())
