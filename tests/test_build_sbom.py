"""The SBOM, as the interpreter of these tests sees its own packages."""

import json
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest
from conftest import ROOT
from sbom import debian_packages

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12+deb13u1
Description: shared libraries
 Package: not a field, but text that goes on

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.3.dfsg+really1.3.1-1+b1
"""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "build" / "sbom.py"), "titanic", "0123", "build_id=b:1=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def test_it_lists_every_package_of_python_once(document: dict[str, Any]) -> None:
    purls = [each["purl"] for each in document["components"]]
    assert len(purls) == len(set(purls))
    for name in ("boto3", "xgboost-cpu", "typing-extensions"):
        assert f"pkg:pypi/{name}@{metadata.version(name)}" in purls


def test_it_names_the_image_and_the_facts_of_its_build(document: dict[str, Any]) -> None:
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    image = {"type": "container", "name": "titanic", "version": "0123"}
    assert document["metadata"]["component"] == image
    assert document["metadata"]["properties"] == [{"name": "build_id", "value": "b:1=2"}]


def test_it_lists_the_packages_of_debian_that_are_installed() -> None:
    assert [(each["name"], each["version"], each["purl"]) for each in debian_packages(STATUS)] == [
        ("libc6", "2.41-12+deb13u1", "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64"),
        (
            "zlib1g",
            "1:1.3.dfsg+really1.3.1-1+b1",
            "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64",
        ),
    ]
