"""The project's own configuration of local AWS."""

from local_aws.config import load_config
from pipeline.settings import Settings

from conftest import ROOT


def test_it_names_the_stack_and_the_region_of_the_settings(settings: Settings) -> None:
    config = load_config(ROOT / "local_aws.yaml")
    assert config.stack
    assert (config.stack.name, config.region) == (settings.stack_name, settings.region)
