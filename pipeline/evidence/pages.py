"""Write the evidence page in each language, its pictures, and report.zip, which Notion imports."""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from pipeline.runs import Record
from pipeline.settings import Settings, config_argument

import boto3

LANGUAGES = {"en": "report.md", "ko": "report.ko.md"}  # and the file of the page in each
ZIP = "report.zip"
LOCAL_LINK = re.compile(rb"\[([^]]+)\]\(\.\./[^)]+\)")  # to a file of this checkout
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold: the same content, the same bytes


def write_pages(
    session: boto3.Session,
    settings: Settings,
    config: Path,
    record: Record,
    folder: Path,
    languages: Iterable[str],
) -> list[Path]:
    """Write the page in each language, its pictures and report.zip; return the pages' paths."""
    # They import XGBoost and matplotlib, which takes a second: only when a page is written.
    from pipeline.evidence.evidence import gather
    from pipeline.evidence.page import page
    from pipeline.evidence.pictures import draw

    evidence = gather(session, settings, record, folder)
    languages = list(languages)
    pictures = draw(folder, evidence.scoring, {"en": None} | dict.fromkeys(languages))
    given = config_argument(config)
    paths = []
    for language in languages:
        path = folder / LANGUAGES[language]
        text = page(evidence, pictures, given, language, f"{path.name}.j2")
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    _pack(folder, [path.name for path in paths] + pictures)
    return paths


def _pack(folder: Path, names: Iterable[str]) -> None:
    """Put files of `folder` into its report.zip, without links that lead out of it."""
    with zipfile.ZipFile(folder / ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = (folder / name).read_bytes()
            if name.endswith(".md"):
                content = LOCAL_LINK.sub(rb"\1", content)
            archive.writestr(entry, content)
