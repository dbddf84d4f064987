"""The words of the evidence page, in the languages that it can be written in."""

from pathlib import Path
from typing import Any

import yaml

LANGUAGES = {"en": "report.md", "ko": "report.ko.md"}  # and the file of the page in each


class Words:
    def __init__(self, language: str) -> None:
        path = Path(__file__).parent / f"{language}.yaml"
        self.messages: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))

    def __call__(self, key: str, **values: Any) -> str:
        return self.messages[key].format(**values).strip()
