"""docs/features.md, the glossary of the model's columns."""

import inspect

from container import features
from container.reading import read_rows
from pipeline import glossary
from pipeline.data import Dataset

import pandas as pd
import pytest
from conftest import ROOT
from generated import assert_current


@pytest.mark.generated
def test_the_page_is_not_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert glossary.main([]) == 0
    assert_current(ROOT / "docs" / "features.md", capsys.readouterr().out)


def test_every_column_of_the_model_stands_under_the_function_that_makes_it(
    dataset: Dataset,
) -> None:
    rows = read_rows(dataset.channels["train"], "train", labelled=True)
    found = glossary.columns_by_function(rows)
    encoded = features.encode(rows)
    tables = features.statistics(encoded, rows.iloc[:, 0].to_numpy())
    columns = list(features.transform(encoded, tables))
    assert sorted(column for group in found.values() for column in group) == sorted(columns)
    assert found["family_size"] == ["family_size", "large_family"]
    assert found["group_size"] == ["group_size"]
    assert found["impute"] == ["age"], "not those that other functions make again"
    assert found["target_encoded_categories"] == list(features.CATEGORIES)


def test_each_group_has_its_docstring(rows: pd.DataFrame) -> None:
    page = glossary.glossary(rows, "any.csv")
    for name in glossary.columns_by_function(rows):
        assert f"## {name}\n" in page
        text = inspect.getdoc(getattr(features, name)) or "-"
        assert text.removeprefix("Return ")[1:] in page
