"""Files of rows: whatever form they have, the rows are the same, or the file is refused."""

import contextlib
import csv
import gzip
import io
import math
import os
import re
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

from container.errors import InputError

import arro3.core as arrow
import arro3.io
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from small_program import make_rows, reading

COLUMNS = ["bought", "size", "count", "kind", "note"]
HEADER = ",".join(COLUMNS)
ROW = '1,2.5,3,a,"some, text"'
FIRST = pd.DataFrame({"bought": np.array([1], np.int8), "size": 2.5, "count": 3.0, "kind": "A"})
FIRST = FIRST.assign(note=pd.Series(["some, text"], dtype=object)).astype({"kind": object})


def read(content: str | bytes, *, labelled: bool = True) -> pd.DataFrame:
    content = content.encode() if isinstance(content, str) else content
    rows: pd.DataFrame = reading.read_rows(content, "rows.csv", labelled=labelled)
    return rows


def refusal(content: str | bytes) -> str:
    """The message; every one names the file, and has a hint."""
    with pytest.raises(InputError) as caught:
        read(content)
    assert re.fullmatch(r"rows\.csv: .+\nhint: .+", str(caught.value), re.DOTALL)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{ROW}\n",
        f"{HEADER}\n{ROW}",
        f"\ufeff{HEADER}\r\n{ROW}\r\n",
        f"\n{HEADER}\n\n\r\n{ROW}\n\n",
        'Note,boat,KIND,"bought",SIZE,How many\n"some, text",x,ALPHA,1.0,+25E-1,3.0\n',
        gzip.compress(f"{HEADER}\n{ROW}\n".encode(), mtime=0),
    ],
)
def test_a_file_may_be_spelled_in_many_ways(content: str | bytes) -> None:
    assert_frame_equal(read(content), FIRST)


def test_the_label_is_read_only_when_it_is_asked_for() -> None:
    without = FIRST.drop(columns="bought")
    assert_frame_equal(read(f"{HEADER}\n{ROW}\n", labelled=False), without)
    assert_frame_equal(read(f"{HEADER[7:]}\n{ROW[2:]}\n", labelled=False), without)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (f"{HEADER}\r\n\n\r\n", "no rows"),
        ("bought,size\n1,2\n", "missing columns: count, kind, note"),
        ("1,2\n3,4\n", "no header: the first line is '1,2'"),
        (f"{HEADER},Size,how many\n{ROW},1,1\n", "columns given twice: size, count"),
        (f"{HEADER}\n{ROW}\n\n1,old,3,a,x\n", "size is 'old' (row 2); allowed: a number from -100"),
        (f'{HEADER}\n{ROW}\n1,2,3,a,"open\n', "a quote is not closed, or a row has over"),
        (f'{HEADER}\n1,2,3,a,x"y,z"\n', "a quote inside a cell"),
        (f'{HEADER}\n1,2,3,a,"x"y\n', "a quote inside a cell"),
        (f"{HEADER}\r{ROW}\r", "not CSV (after row 0): new-line"),
        (f"{HEADER}\n1,2\r3,4,5,6\n", "end lines with LF or CRLF"),
        (f"{HEADER}\n{ROW}\r{ROW}\n", "has 9 cells"),
        (f"{HEADER}\n{ROW}\n1,2,3,a,".encode() + b"\xff\n", "not CSV (after row 0): 'utf-8'"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16"), "not in UTF-8, or not CSV (after row 0): 'utf-8'"),
        (b"\0" * 2**22, "not CSV (after row 0): field larger"),
        (b"x" * 2**22, "not CSV (after row 0): field larger"),
        (b"PAR1 and so on", "not a whole Parquet file"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-4], "not a whole gzip file"),
        (b"\x1f\x8b and so on", "not a whole gzip file"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(content: str | bytes, message: str) -> None:
    assert message in refusal(content)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "not there"):
        with pytest.raises(InputError, match=f"{path}: cannot be read: "):
            reading.read_rows(path, labelled=True)


# Whatever the cells hold: what the csv module and Python's floats make of them, or a refusal.

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MISSING = {"", "?", "na", "n/a", "<na>", "nan", "null", "none"}
numbers = (
    st.sampled_from(["3", "0.5", "1e3", "+.5E+1", ".5", "5.", "+7", "007", "1e05", "-0", "-9.75"])
    | st.sampled_from(["", "NaN", "na", "?", " None ", "  ", "<NA>", " 4 ", "\u00a04", "\t4"])
    | st.floats(-100, 1e6).map(repr)
    | st.decimals(-100, 1e6, places=4).map(str)
)
counts = st.sampled_from(["0", "9", "3.0", "", "0.5e1", "?"])
odd_numbers = st.sampled_from(
    ["inf", "-101", "1_0", "0x10", "old", "1e400", "\uff12", "\u0665", "2e9", "1e", "1 0", "TRUE"]
)
kinds = st.sampled_from(["a", "A", "alpha", " B ", "", "n/a"])
texts = st.text(
    st.characters(codec="utf-8") | st.sampled_from(' ",\n\r\t\u00a0\ufeff\0'), max_size=12
) | st.sampled_from(["NA", "null", " n/a", "B5  C7", "Ünver, Dr. Öz", 'a"b', 'x"y,z"', "여 女 жен"])
labels = st.sampled_from(["0", "1", "0.0", "1.0", " 1 "])
Files = st.SearchStrategy[tuple[str, bytes]]


def clean(cell: str) -> str:
    text = " ".join(cell.split())
    return "" if text.lower() in MISSING else text


def number(cell: str, minimum: float, maximum: float) -> float:
    text = {"true": "1", "false": "0"}.get(clean(cell).lower(), clean(cell))
    value = float(text) + 0.0 if NUMBER.fullmatch(text) else math.nan if not text else math.inf
    assert math.isnan(value) or minimum <= value <= maximum
    return value


def expected(text: str) -> list[tuple[Any, ...]] | None:
    """The rows; None where a cell or a row is not allowed."""
    header, *rows = (row for row in csv.reader(io.StringIO(text, newline="")) if row)
    found: list[tuple[Any, ...]] = []
    try:
        for row in rows:
            cells = dict(zip((name.lower() for name in header), row, strict=True))
            label = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}[clean(cells["bought"])]
            size, count = number(cells["size"], -100, 1e6), number(cells["count"], 0, 9)
            assert math.isnan(count) or count.is_integer()
            kind = {"a": "A", "alpha": "A", "b": "B", "": ""}[clean(cells["kind"]).lower()]
            found.append((label, size, count, kind, clean(cells["note"])))
    except (AssertionError, KeyError, ValueError):
        return None
    return found


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def minimal(cell: str) -> str:
    return quoted(cell) if re.search('[",\n\r]', cell) else cell


def padding(names: list[str], size: int, end: str) -> list[str]:
    """Lines that take so many bytes with their ends: `boat` is long, which is not read."""
    cells = {"bought": "1", "size": "2", "count": "3", "kind": "a", "note": "z"}
    line = ",".join(cells.get(name, "") for name in names)
    lengths = [2**16] * (size // 2**16 - 1) + [2**16 + size % 2**16]
    place = sum(len(cells[name]) + 1 for name in names[: names.index("boat")])
    fill = [length - len(line + end) for length in lengths]
    return [f"{line[:place]}{'x' * length}{line[place:]}" for length in fill]


@st.composite
def files(draw: st.DrawFn, *, odd: bool, long: bool = False) -> str:
    """CSV with its columns in any order and case; a long one has the end of a block in its rows."""
    names = draw(st.permutations([*COLUMNS, "boat"]))
    columns = {"bought": labels, "size": numbers, "count": counts, "kind": kinds}
    styles = [quoted, minimal]
    if odd and draw(st.booleans()):
        name = draw(st.sampled_from([*columns, "note"]))
        columns[name] = columns.get(name, texts) | odd_numbers | texts
        styles = [quoted, minimal, lambda cell: cell]
    case = draw(st.sampled_from([str.upper, str.title, str.lower]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        cells = [draw(st.sampled_from(styles))(draw(columns.get(name, texts))) for name in names]
        if odd and draw(st.integers(0, 9)) == 0:
            cells = draw(st.sampled_from([cells[:-1], [*cells, ""], [*cells, "x", "y"]]))
        lines.append(",".join(cells))
        lines += [""] * draw(st.integers(0, 1))
    if long:
        before = draw(st.integers(0, len(end.join(lines).encode())))
        lines = padding(names, reading.BLOCK_BYTES - before, end) + lines
    header = ",".join(case(name) for name in names)
    return end.join([header, *lines]) + draw(st.sampled_from(["", end]))


def tuples(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    assert list(rows) == COLUMNS
    return list(rows.itertuples(index=False, name=None))


@pytest.mark.parametrize(("long", "examples"), [(False, 200), (True, 20)])
def test_a_file_gives_what_the_csv_module_and_pythons_floats_give(
    long: bool, examples: int
) -> None:
    """And an odd one too, or it is refused."""

    @given(files(odd=False, long=long))
    @hypothesis_settings(max_examples=examples)
    def check(text: str) -> None:
        np.testing.assert_equal(tuples(read(text)), expected(text))

    @given(files(odd=True, long=long))
    @hypothesis_settings(max_examples=2 * examples)
    def check_odd(text: str) -> None:
        with contextlib.suppress(InputError):
            np.testing.assert_equal(tuples(read(text)), expected(text))

    check()
    check_odd()


@pytest.mark.parametrize(("odd", "cells"), [(f"x,{ROW},", 7), ("x,1,2,3,a", 5)])
def test_a_short_or_long_row_is_found_wherever_it_is(odd: str, cells: int) -> None:
    names = ["boat", *COLUMNS]
    row = f"x,{ROW}"
    length = len(odd) + 1
    block = reading.BLOCK_BYTES
    ends_first, begins_second, spans = block - length, block, block - length // 2
    long = [padding(names, size, "\n") for size in (ends_first, begins_second, spans)]
    for pad in ([], [row], [row] * 200, *long):
        text = "\n".join([",".join(names), *pad, odd, row])
        assert f"row {len(pad) + 1} has {cells} cells, the header has 6" in refusal(text)


LETTERS = (
    "Müller|Ünver|Łódź|Жанна|Ελένη|김철수|王秀英|さくら|עדנה|مريم|हिन्दी|ไทย|"
    "Ṣọlá|🚢 É12|e\u0301|\u202e"
)


@pytest.mark.parametrize("count", [16, 100_000])
@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_letters_of_every_script_are_read_and_large_files_in_chunks_of_a_few_mib(
    count: int, form: str, tmp_path: Path
) -> None:
    letters = LETTERS.split("|")
    notes = [f'{letters[n % len(letters)]} "{n}", {"é" * 20}' for n in range(count)]
    rows = make_rows(count).assign(note=pd.Series(notes, dtype=object))
    path = tmp_path / f"rows.{form}"
    if form == "parquet":
        write_parquet(path, rows)
    else:
        rows.to_csv(path, index=False, compression={"method": "infer", "compresslevel": 1})
    chunks = list(reading.read_chunks(path, labelled=True))
    assert (len(chunks) > 1) == (count > 16)
    assert_frame_equal(pd.concat(chunks, ignore_index=True), rows)


def write_parquet(path: Path, rows: pd.DataFrame, **changes: arrow.Array) -> None:
    columns: dict[str, Any] = {}
    for name, column in rows.items():
        kind = {"f": arrow.DataType.float64(), "i": arrow.DataType.int8()}.get(column.dtype.kind)
        cells = [None if cell != cell or cell == "" else cell for cell in column]
        columns[str(name)] = arrow.Array(cells, kind or arrow.DataType.string())
    batch = arrow.RecordBatch.from_pydict(columns | changes)
    arro3.io.write_parquet(batch, path, max_row_group_size=7000)


def bytes_read() -> int:
    return int(re.findall(r"rchar: (\d+)", Path("/proc/self/io").read_text())[0])


@pytest.mark.parametrize("begin", ["", f"{HEADER}\n", f"{HEADER}\n{ROW}\n1,2,3,a,", f'{HEADER}\n"'])
def test_a_row_of_100_mb_is_refused_after_a_few_mib(begin: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(begin.encode())
    os.truncate(path, 100 * 2**20)
    before = bytes_read()
    with pytest.raises(InputError):
        list(reading.read_chunks(path, labelled=True))
    assert bytes_read() - before < 3 * reading.BLOCK_BYTES


def test_64_mb_of_gzipped_zeros_are_refused_after_a_few_mib(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"".join(packer.compress(b"\0" * 2**20) for _ in range(64)) + packer.flush()
    for begin in (b"", gzip.compress(f"{HEADER}\n".encode())):
        path = tmp_path / "rows.csv.gz"
        path.write_bytes(begin + zeros)
        tracemalloc.start()
        with pytest.raises(InputError):
            list(reading.read_chunks(path, labelled=True))
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
        tracemalloc.stop()


STRING, INT = arrow.DataType.string(), arrow.DataType.int16()
DICTIONARY = arrow.DataType.dictionary(arrow.DataType.int32(), STRING)


STRUCTS = arrow.struct_array([arrow.Array([1, 2], INT)], fields=[arrow.Field("x", INT)])
LISTS = arrow.list_array(arrow.Array([0, 1, 2], arrow.DataType.int32()), arrow.Array([1, 2], INT))


def strings(*values: str | None) -> arrow.Array:
    return arrow.Array(list(values), STRING)


def parquet(tmp_path: Path, **changes: arrow.Array) -> Path:
    path = tmp_path / "rows.parquet"
    write_parquet(path, pd.concat([FIRST, FIRST]), **changes)
    return path


@pytest.mark.parametrize(
    ("name", "column", "cells"),
    [
        *(
            ("size", column, [29, math.nan])
            for column in (
                strings("29", " NA "),
                arrow.Array([29, None], INT),
                arrow.Array([29, None], arrow.DataType.float32()),
                arrow.Array([29.0, math.nan], arrow.DataType.float64()),
                strings("29.0", None).cast(arrow.DataType.large_string()),
                strings("29", None).cast(arrow.DataType.string_view()),
                strings("29", "").cast(DICTIONARY),
                arrow.Array([29, None], INT).cast(arrow.DataType.decimal128(9, 2)),
            )
        ),
        ("note", strings("é", None), ["é", ""]),
        ("note", strings("é", None).cast(DICTIONARY), ["é", ""]),
        ("note", strings("é", None).cast(arrow.DataType.large_string()), ["é", ""]),
        ("note", arrow.Array(["é".encode(), None], arrow.DataType.binary()), ["é", ""]),
        ("note", arrow.Array([7, None], INT), ["7", ""]),
        ("note", arrow.Array([7.0, None], arrow.DataType.float64()), ["7", ""]),
        ("note", arrow.Array([7, 8], INT).cast(arrow.DataType.decimal128(38, 0)), ["7", "8"]),
        ("bought", arrow.Array([1, 0], INT).cast(arrow.DataType.decimal128(38, 0)), [1, 0]),
        ("bought", arrow.Array([1, 0], arrow.DataType.float32()), [1, 0]),
    ],
)
def test_numbers_and_texts_may_have_any_type_in_parquet(
    name: str, column: arrow.Array, cells: list[Any], tmp_path: Path
) -> None:
    rows = reading.read_rows(parquet(tmp_path, **{name: column}), labelled=True)
    np.testing.assert_equal(rows[name].tolist(), cells)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"size": strings("29", "old")}, "size is 'old' (row 2)"),
        ({"size": arrow.Array([1, math.inf], arrow.DataType.float64())}, "size is 'inf' (row 2)"),
        ({"bought": strings("1", None)}, "bought is '' (row 2); allowed: 0 or 1"),
        ({"bought": arrow.Array([1, 2], INT)}, "bought is '2' (row 2)"),
        ({"note": arrow.Array([b"\xff", b"x"], arrow.DataType.binary())}, "not in UTF-8"),
        ({"size": STRUCTS}, "size is of type"),
        ({"note": LISTS}, "note is of type"),
    ],
)
def test_what_cannot_be_used_in_parquet_is_named(
    column: dict[str, arrow.Array], message: str, tmp_path: Path
) -> None:
    path = parquet(tmp_path, **column)
    with pytest.raises(InputError) as caught:
        reading.read_rows(path, labelled=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_parquet_with_a_damaged_or_missing_part_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = parquet(tmp_path)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:100], gzip.compress(whole[:100]), b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a whole Parquet file: its end is missing"):
            reading.read_rows(path, labelled=True)
    assert capfd.readouterr().err == ""
    path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        reading.read_rows(path, labelled=True)
    arro3.io.write_parquet(arrow.RecordBatch.from_pydict({"size": strings("1")}), path)
    with pytest.raises(InputError, match="missing columns: bought, count, kind, note"):
        reading.read_rows(path, labelled=True)
