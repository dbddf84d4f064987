"""Files of a channel: whatever form they have and whoever reads them, the rows are the same."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

from container.batches import read_batches
from container.errors import InputError
from container.passengers import NUMBERS, TEXTS, Passengers, read_passengers, write_passengers
from pipeline.settings import Settings

import arro3.core as arrow
import arro3.io
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

COLUMNS = ["survived", *NUMBERS, *TEXTS]
ROW = {
    **dict.fromkeys(COLUMNS, "1"),
    "name": "Allen, Miss. Elisabeth Walton",
    "sex": "female",
    "cabin": "B5",
}


def joined(path: Path, *, small: int = 0, block: int = 2**20) -> Passengers:
    """The rows as they are read from a file that is not small."""
    rows = Passengers()
    for batch in read_batches(path, labelled=True, small=small, block=block):
        rows.extend(batch)
    return rows


def write_csv(path: Path, rows: list[dict[str, str]], columns: list[str] = COLUMNS) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, columns: dict[str, arrow.Array]) -> None:
    arro3.io.write_parquet(arrow.RecordBatch.from_pydict({**columns}), path)


def strings(*values: str | None) -> arrow.Array:
    return arrow.Array(list(values), arrow.DataType.string())


@pytest.mark.parametrize("block", [1, 100, 3000, 2**20])
def test_a_large_file_is_read_as_a_small_one_is(settings: Settings, block: int) -> None:
    small = read_passengers(settings.data_file.read_bytes(), "titanic.csv", labelled=True)
    large = joined(settings.data_file, block=block)
    assert write_passengers(large) == write_passengers(small)


def test_rows_that_are_taken_of_a_large_file_are_those_rows(settings: Settings) -> None:
    """So the hosts of a training share a channel."""
    small = read_passengers(settings.data_file.read_bytes(), "titanic.csv", labelled=True)
    before = 0
    for batch in read_batches(settings.data_file, labelled=True, small=0, block=30_000):
        rows = list(range(len(batch) - 1, 0, -3))
        expected = small.take([before + row for row in rows])
        assert write_passengers(batch.take(rows)) == write_passengers(expected)
        before += len(batch)
    assert before == len(small)


def test_a_gzipped_file_is_known_by_its_content(settings: Settings, tmp_path: Path) -> None:
    packed = tmp_path / "titanic.data"
    packed.write_bytes(gzip.compress(settings.data_file.read_bytes()))
    for small in (0, 2**20):
        read = joined(packed, small=small)
        assert write_passengers(read) == write_passengers(joined(settings.data_file))


numbers = (
    st.sampled_from(
        ["3", "0.5", "1e3", "+.5E+1", ".5", "5.", "+7", "007", "1e05", "-0", "0.1", "1e9"]
    )
    | st.sampled_from(["", "NaN", "na", "?", " None ", "  ", "<NA>"])
    | st.floats(0, 1e9).map(repr)
)
bad_numbers = st.sampled_from(
    ["inf", "-1", "1_0", "0x10", "old", "1e400", "\uff12", "\u0665", "2e9", "1e", "1 0", "."]
)
texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00")
    | st.sampled_from(' ",\n\r\t\u00a0\ufeff'),
    max_size=12,
) | st.sampled_from(["NA", "null", " n/a", "male ", "B5  C7", "Ünver, Dr. Öz"])
labels = st.sampled_from(["0", "1"])


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def raw(cell: str) -> str:
    """Without quotes around it, but with those that are in it."""
    return "".join(c for c in cell if c not in ",\n\r")


@st.composite
def files(draw: st.DrawFn, number: st.SearchStrategy[str], label: st.SearchStrategy[str]) -> bytes:
    """CSV with its columns in any order and case, and cells with quotes where some have them."""
    columns = draw(st.permutations([*COLUMNS, "boat"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    styles = st.sampled_from([quoted, raw]) if draw(st.booleans()) else st.just(quoted)
    kinds = {**dict.fromkeys(NUMBERS, number), "survived": label}
    case = draw(st.sampled_from([str.upper, str.title, str.lower]))
    lines = [",".join(case(name) for name in columns)]
    for _ in range(draw(st.integers(1, 6))):
        cells = [draw(kinds.get(name, texts)) for name in columns]
        lines.append(",".join(str(draw(styles)(cell)) for cell in cells))
        lines += [""] * draw(st.integers(0, 1))
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


def outcome(read: Callable[[], Passengers]) -> bytes | None:
    try:
        return write_passengers(read())
    except InputError:
        return None


@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
@given(
    files(numbers, labels) | files(numbers | bad_numbers, labels | texts),
    st.sampled_from([40, 2000]),
)
def test_both_readers_of_csv_agree_on_any_file(tmp_path: Path, content: bytes, block: int) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    small = outcome(lambda: read_passengers(content, "rows.csv", labelled=True))
    assert outcome(lambda: joined(path, block=block)) == small


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"age": "old"}, "line 5000: age is 'old', not a number from 0 to 1e+09"),
        ({"fare": "-1"}, "line 5000: fare is '-1'"),
        ({"survived": "2"}, "rows with a label that is not 0 or 1 in survived: 1 (line 5000)"),
        ({"survived": ""}, "rows with no label in survived: 1 (line 5000)"),
        ({"cabin": '"'}, None),
    ],
)
def test_what_cannot_be_used_is_named_by_its_line_in_a_large_file_too(
    tmp_path: Path, changes: dict[str, str], problem: str | None
) -> None:
    path = tmp_path / "rows.csv"
    write_csv(path, [ROW] * 4998 + [{**ROW, **changes}] + [ROW] * 4998)
    if problem is None:
        assert joined(path, block=30_000).texts["cabin"][4998] == '"'
        return
    with pytest.raises(InputError) as caught:
        joined(path, block=30_000)
    assert f"{path}: {problem}" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"survived,age\n1,2\n", "missing columns: pclass"),
        (b"1,2\n3,4\n", "no header: the first line is '1,2'"),
        (",".join(COLUMNS).encode() + b"\n\n", "a header but no rows"),
        (",".join(COLUMNS).encode() + b"\n1,1\n", "line 2 has 2 cells, the header has 11"),
        (",".join(COLUMNS).encode() + b"\n1,1\xff\n", "not UTF-8 (line 2)"),
        (",".join(COLUMNS).encode() + b'\n1,"1\n', "line 2 is not CSV: unexpected end of data"),
        (b"PAR1 and so on", "not a whole Parquet file"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-4], "not a whole gzip file"),
        (b"\x1f\x8b and so on", "not a whole gzip file"),
    ],
)
def test_files_that_are_not_whole_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "rows"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        joined(path)
    assert f"{path}: {problem}" in str(caught.value)
    assert caught.value.hint


def test_parquet_gives_the_rows_that_csv_gives(settings: Settings, tmp_path: Path) -> None:
    rows = joined(settings.data_file)
    columns = {
        "PassengerId": arrow.Array(list(range(len(rows))), arrow.DataType.int64()),
        **{
            name.title(): arrow.Array(
                [None if n != n else n for n in rows.numbers[name]], arrow.DataType.float32()
            )
            for name in NUMBERS
            if name != "fare"
        },
        "fare": arrow.Array(list(rows.numbers["fare"]), arrow.DataType.float64()),
        **{name: strings(*(text or None for text in rows.texts[name])) for name in TEXTS},
        "SURVIVED": arrow.Array(rows.labels, arrow.DataType.int8()),
    }
    write_parquet(tmp_path / "rows.parquet", columns)
    read = joined(tmp_path / "rows.parquet")
    assert len(read) == len(rows)
    assert read.texts == rows.texts
    assert read.labels == rows.labels
    assert [str(n) for n in read.numbers["fare"]] == [str(n) for n in rows.numbers["fare"]]
    # Ages of infants are parts of a year, rounded differently as float32.
    assert list(read.numbers["age"]) == pytest.approx(list(rows.numbers["age"]), nan_ok=True)


def passenger(**changes: arrow.Array) -> dict[str, arrow.Array]:
    return {name: strings(ROW[name], ROW[name]) for name in COLUMNS} | changes


@pytest.mark.parametrize(
    "column",
    [
        strings("29", " NA "),
        arrow.Array([29, None], arrow.DataType.int16()),
        arrow.Array([29.0, float("nan")], arrow.DataType.float64()),
        strings("29", None).cast(arrow.DataType.large_string()),
        strings("29", None).cast(arrow.DataType.string_view()),
        strings("29", None).cast(
            arrow.DataType.dictionary(arrow.DataType.int32(), arrow.DataType.string())
        ),
    ],
)
def test_a_number_may_have_any_type_in_parquet(tmp_path: Path, column: arrow.Array) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, passenger(age=column))
    first, second = joined(path).numbers["age"]
    assert first == 29
    assert second != second


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ({"age": strings("29", "old")}, "row 2: age is 'old', not a number from 0 to 1e+09"),
        ({"age": arrow.Array([1, -1], arrow.DataType.int8())}, "row 2: age is '-1'"),
        ({"age": arrow.Array([1, float("inf")], arrow.DataType.float64())}, "row 2: age is 'inf'"),
        ({"survived": strings("1", None)}, "row 2: survived is None, not 0 or 1"),
        ({"survived": arrow.Array([1, 2], arrow.DataType.int8())}, "row 2: survived is 2"),
    ],
)
def test_what_cannot_be_used_in_parquet_is_named_by_row_and_column(
    tmp_path: Path, column: dict[str, arrow.Array], problem: str
) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, passenger(**column))
    with pytest.raises(InputError) as caught:
        joined(path)
    assert f"{path}: {problem}" in str(caught.value)
    assert caught.value.hint


def test_parquet_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, {"price": strings("1")})
    with pytest.raises(InputError, match="its columns are others: price"):
        joined(path)
    write_parquet(path, {"age": strings("1")})
    with pytest.raises(InputError, match="missing columns: survived"):
        joined(path)
