import csv
import io
import math

from container.errors import InputError
from container.passengers import (
    MISSING,
    NUMBERS,
    TEXTS,
    Passengers,
    read_passengers,
    write_passengers,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

HEADER = "survived,pclass,name,sex,age,sibsp,parch,ticket,fare,cabin,embarked"
ROW = '1,1,"Allen, Miss. Elisabeth Walton",female,29,0,0,24160,211.3375,B5,S'


def read(text: str | bytes, *, labelled: bool = True) -> Passengers:
    content = text.encode() if isinstance(text, str) else text
    return read_passengers(content, "rows.csv", labelled=labelled)


def test_the_titanic_snapshot_is_read_whole(passengers: Passengers) -> None:
    assert len(passengers) == 1309
    assert sum(passengers.labels) == 500
    assert sum(math.isnan(age) for age in passengers.numbers["age"]) == 263
    assert passengers.texts["name"][0] == "Allen, Miss. Elisabeth Walton"


def test_columns_may_come_in_any_order_and_case() -> None:
    names = HEADER.split(",")
    cells = next(csv.reader([ROW]))
    order = [6, 2, 9, 0, 5, 10, 1, 4, 8, 3, 7]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["PassengerId", *(names[i].title() for i in order)])
    writer.writerow(["1", *(cells[i] for i in order)])
    assert write_passengers(read(text.getvalue())) == write_passengers(read(f"{HEADER}\n{ROW}\n"))


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    assert len(read(b"\xef\xbb\xbf" + f"{HEADER}\r\n{ROW}\r\n".encode())) == 1


@pytest.mark.parametrize("cell", sorted(MISSING))
def test_missing_values_are_missing_however_they_are_written(cell: str) -> None:
    row = ROW.replace(",29,", f",{cell.upper()},").replace("B5", cell)
    rows = read(f"{HEADER}\n{row}\n")
    assert math.isnan(rows.numbers["age"][0])
    assert rows.texts["cabin"] == [""]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "rows.csv: the file is empty"),
        (HEADER.encode(), "a header but no rows"),
        (ROW.encode(), "no header: the first line is '1,1,Allen, Miss."),
        (b"survived,age\n1,2\n", "missing columns: pclass, sibsp, parch, fare, name"),
        (f"{HEADER},Age\n{ROW},30\n".encode(), "columns given twice: age"),
        (f"{HEADER}\n{ROW}\n{ROW},x\n".encode(), "line 3 has 12 cells, the header has 11"),
        (f"{HEADER}\n{ROW}\n".replace(",29,", ",old,").encode(), "line 2: age is 'old'"),
        (f"{HEADER}\n{ROW}\n".replace(",29,", ",-1,").encode(), "line 2: age is '-1'"),
        (f"{HEADER}\n{ROW}\n".replace(",29,", ",inf,").encode(), "line 2: age is 'inf'"),
        (f"{HEADER}\n{ROW}\n".replace(",29,", ",1e300,").encode(), "line 2: age is '1e300'"),
        (f"{HEADER}\n{ROW}\n".replace(",29,", ",2_9,").encode(), "line 2: age is '2_9'"),
        (f"{HEADER}\n{ROW}\n2{ROW[1:]}\n".encode(), "not 0 or 1 in survived: 1 .line 3."),
        (f"{HEADER}\n{ROW}\n{ROW[1:]}\n".encode(), "no label in survived: 1 .line 3."),
        (f"{HEADER}\n{ROW}\n".replace("All", "\xe9").encode("latin-1"), "not UTF-8 .line 2"),
        (f'{HEADER}\n{ROW}\n1,1,"open'.encode(), "line 3 is not CSV"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_line(content: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read(content)
    assert str(caught.value).startswith("rows.csv: ")
    assert caught.value.hint


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    """A quoted cell may hold line breaks; blank lines are skipped but counted."""
    tall = ROW.replace("Allen, ", "Allen,\n")
    with pytest.raises(InputError, match="line 5"):
        read(f"{HEADER}\n{tall}\n\n{ROW[1:]}\n")


def test_many_lines_without_a_label_are_not_all_listed() -> None:
    with pytest.raises(InputError, match=r": 30 \(line 2, .*, 11 and 20 more\)"):
        read(f"{HEADER}\n" + f"{ROW[1:]}\n" * 30)


def test_labels_are_not_needed_for_scoring() -> None:
    rows = read(f"{HEADER}\n{ROW}\n".replace("survived,", "").replace("1,1,", "1,"), labelled=False)
    assert len(rows) == 1
    assert rows.labels == []


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1]),
            st.lists(st.none() | st.floats(0, 1e6), min_size=5, max_size=5),
            st.lists(cells, min_size=5, max_size=5),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_writing_what_was_read_and_reading_it_again_changes_nothing(
    rows: list[tuple[int, list[float | None], list[str]]],
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["survived", *NUMBERS, *TEXTS])
    for label, numbers, texts in rows:
        writer.writerow([label, *("" if n is None else repr(n) for n in numbers), *texts])
    once = write_passengers(read(text.getvalue()))
    assert write_passengers(read(once)) == once
