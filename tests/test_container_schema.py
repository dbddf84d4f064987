"""The Titanic's columns, and the files that people have of them (cases/README.md)."""

import re
from pathlib import Path

from container.errors import InputError
from container.reading import read_rows
from container.schema import NUMBERS, TEXTS

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

CASES = Path(__file__).parent / "cases"


def read(name: str) -> pd.DataFrame:
    return read_rows(CASES / name, labelled=True)


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        read(name)
    return str(caught.value)


def test_the_snapshot_of_openml_is_read_whole(rows: pd.DataFrame) -> None:
    assert list(rows) == ["survived", *NUMBERS, *TEXTS]
    assert len(rows) == 1309
    assert rows["survived"].sum() == 500
    assert rows["age"].isna().sum() == 263
    assert rows["name"][0] == "Allen, Miss. Elisabeth Walton"
    assert set(rows["sex"]) == {"male", "female"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kaggle.csv", "kaggle.csv.gz"),
        ("letters.csv", "letters-bom-crlf.csv"),
        ("kaggle.csv", "label-float.csv"),
        ("kaggle.csv", "sex-letters.csv"),
    ],
)
def test_files_that_say_the_same_are_the_same_rows(one: str, other: str) -> None:
    rows = read(one)
    assert len(rows) == 100
    assert_frame_equal(rows, read(other))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("semicolon.csv", "the cells are separated by semicolons, not by commas"),
        ("tab.csv", "the cells are separated by tabs, not by commas"),
        ("pipe.csv", "the cells are separated by vertical bars, not by commas"),
        ("label-words.csv", r"survived is 'yes', 'no' \(100 rows, .*; allowed: 0 or 1"),
        ("sex-digits.csv", r"sex is '1', '0' \(.* rows, .*; allowed: male, m, female, f"),
        ("sex-german.csv", r"sex is 'weiblich', 'männlich' \(.*; allowed: male, m, female, f"),
        ("pclass-odd.csv", r"pclass is '.*' \(.*row \d+\); allowed: a whole number from 1 to 3"),
        ("short-row.csv", r"row 6 has \d+ cells, the header has 12\nhint: .*left empty"),
        ("long-row.csv", r"row 6 has \d+ cells, the header has 12\nhint: quote"),
    ],
)
def test_files_that_cannot_be_used_say_why(name: str, message: str) -> None:
    assert re.search(rf"^.*/{name}: {message}", refusal(name))


@pytest.mark.parametrize(
    "names",
    [
        "Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked",  # Kaggle
        "survived,pclass,name,sex,age,sibsp,parch,ticket,fare,cabin,embarked",  # OpenML
        "survived,passengerClass,name,gender,age,Siblings/Spouses Aboard,Parents/Children Aboard,"
        "ticket,fare,cabin,embarked",  # R and others
    ],
)
def test_the_names_of_kaggle_openml_and_r_are_known(names: str) -> None:
    row = '1,3,"Ek, Mrs. X",f,29.5,0,1,7,8.05,,S'
    rows = read_rows(f"{names}\n{row}\n".encode(), "rows", labelled=True)
    assert rows.loc[0].tolist() == [1, 3, 29.5, 0, 1, 8.05, "Ek, Mrs. X", "female", "7", "", "S"]
