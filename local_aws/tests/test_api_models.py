"""The models of the APIs are read once in a process."""

from pathlib import Path
from typing import Any

from local_aws import moto_patches

import botocore.session
import pytest
from moto.core import utils


def loader() -> Any:
    """The loader of a new session."""
    return botocore.session.get_session().get_component("data_loader")


def test_sessions_and_services_share_what_was_read() -> None:
    moto_patches.apply()
    moto: Any = utils
    assert loader() is loader()
    assert moto.create_loader() is moto.create_loader()


def test_a_data_path_of_the_user_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert str(tmp_path) in loader().search_paths
    monkeypatch.delenv("AWS_DATA_PATH")
    assert str(tmp_path) not in loader().search_paths
