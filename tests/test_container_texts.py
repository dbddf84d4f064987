"""Texts that stay bytes are the texts that the csv module reads, and are encoded as these are."""

import csv
import io
from collections.abc import Callable, Sequence

from container.csv_blocks import Block, blocks
from container.csv_cells import Cells, cells_of
from container.encoded import Encoded, Encoder
from container.hashes import hashes
from container.passengers import MISSING, NUMBERS, TEXTS, Passengers, clean
from container.texts import PADDING, Places, Texts, odd_bytes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

plain = st.text("abcXYZ 0189.-'()/", max_size=20)
any_text = st.text(
    st.characters(codec="utf-8", exclude_characters="\r")
    | st.sampled_from(' ",\n\t\u00a0\u3000\ufeff\x00'),
    max_size=12,
)
words = st.sampled_from(sorted(MISSING)).flatmap(
    lambda word: st.sampled_from([word, word.upper(), word.title(), f" {word}", f"{word}x"])
)
names = st.sampled_from(
    [
        "Braund, Mr. Owen Harris",
        "Rothes, the Countess. of (Lucy)",
        "O'Brien , Miss. Ünver",
        " Straße, Dr. Öz",
        "A, B, Mr. C",
        "Only, Surname",
        ", Mr. Nobody",
        "No. Comma",
        "van Billiard, Mr.  Austin",
        "x" * 70 + "," + "y" * 70 + ". z",
    ]
)
cells = plain | any_text | words | names


def written(rows: list[list[str]], quote: bool, end: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL, lineterminator=end
    )
    writer.writerows(rows)
    return text.getvalue().encode()


def found(content: bytes, width: int, size: int = 10**6) -> list[tuple[Block, Cells | None]]:
    return [
        (block, cells_of(block, width, header=False)) for block in blocks(io.BytesIO(content), size)
    ]


def texts_of(some: Cells, column: int) -> Texts:
    starts, ends = (each[:, column].astype(np.intp) for each in (some.starts, some.ends))
    return Texts.cleaned(some.data, starts, ends, some.odd(), doubled_quotes=True)


def joined(values: list[str]) -> Texts:
    """As Arrow stores them, one after the other."""
    parts = [value.encode() for value in values]
    data = np.frombuffer(b"".join(parts) + PADDING, np.uint8)
    bounds = np.cumsum([0, *map(len, parts)], dtype=np.intp)
    return Texts.cleaned(data, bounds[:-1], bounds[1:], odd_bytes(data))


@given(
    st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([30, 1000]),
)
def test_cells_are_those_of_the_csv_module(
    rows: list[list[str]], quote: bool, end: str, last_end: bool, size: int
) -> None:
    content = written(rows, quote, end)
    content = content if last_end else content.removesuffix(end.encode())
    expected = [[clean(cell) for cell in row] for row in rows]
    for block, some in found(content, 3, size):
        if some is None:
            assert block.rest, "no end of a record was in sight"
            return
        count = len(some.starts)
        columns = [list(texts_of(some, column)) for column in range(3)]
        assert [list(row) for row in zip(*columns, strict=True)] == expected[:count]
        expected = expected[count:]
    assert not expected


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n\nc,d\n",
        b"a,b\nc\n",
        b"a,b\nc,d,e\n",
        b"a\nb,c,d\n",
        b"a,b\rc,d\n",
        b"a,b\r\r\nc,d\n",
        b'a,b\n"c\r",d\n',
        b'a,b\nc"d",e\n',
        b'a,b\n"c"d,e\n',
        b'a,b\n "c",d\n',
        b'a,b\n"c,d\n',
        b"a,b\nc,\xff\n",
        b"a," + b"b" * (csv.field_size_limit() + 1) + b"\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_csv_module(content: bytes) -> None:
    *_, (_, last) = found(content, 2)
    assert last is None


def test_a_header_is_left_out() -> None:
    block = next(blocks(io.BytesIO(b'a,"b\nc"\n1,2\n3,4\n')))
    some = cells_of(block, 2, header=True)
    assert some
    assert list(texts_of(some, 1)) == ["2", "4"]


@given(st.lists(cells, max_size=12))
def test_texts_are_cleaned_as_one_alone_is(values: list[str]) -> None:
    texts = joined(values)
    assert list(texts) == [clean(value) for value in values]
    assert texts.filled().tolist() == [bool(clean(value)) for value in values]
    rows = list(range(0, len(values), 2))[::-1]
    assert list(texts.take(rows)) == [clean(values[row]) for row in rows]


@given(st.lists(cells, max_size=12), st.sampled_from(",. x"))
def test_a_character_is_found_within_its_own_text(values: list[str], character: str) -> None:
    texts = joined(values)
    places: Places = texts.find(character, texts.starts) - texts.starts
    for row, place in enumerate(places.tolist()):
        if row not in texts.others:
            assert texts[row].find(character) == (-1 if place == len(texts[row]) else place)


@given(st.lists(cells | st.text("ab", min_size=60, max_size=70), max_size=12))
def test_hashes_of_bytes_are_those_of_the_texts(values: list[str]) -> None:
    texts = joined(values)
    np.testing.assert_array_equal(hashes(texts), hashes(list(texts)))


sexes = st.sampled_from(["male", "FEMALE", " male ", "nan", "", "\u212a"])
cabins = st.sampled_from(["", "C85", "c23 C25 C27", "B57 B59 B63 B66", "n/a", "é1"]) | cells
people = st.lists(
    st.tuples(names | cells, sexes, cells, cabins, st.sampled_from("SCQs") | cells), max_size=10
)


def batch(rows: Sequence[tuple[str, ...]], make: Callable[[list[str]], object]) -> Passengers:
    columns = [[row[place] for row in rows] for place in range(len(TEXTS))]
    numbers = {name: np.arange(len(rows)) / 3.0 for name in NUMBERS}
    texts = {name: make(column) for name, column in zip(TEXTS, columns, strict=True)}
    return Passengers({**numbers}, texts, np.arange(len(rows)) % 2)


def assert_same(one: Encoded, other: Encoded) -> None:
    assert list(one.values.items()) == list(other.values.items())
    assert [list(each) for each in one.values.values()] == [
        list(each) for each in other.values.values()
    ]
    np.testing.assert_array_equal(one.packed().view(np.uint32), other.packed().view(np.uint32))
    np.testing.assert_array_equal(one.labels, other.labels)


@given(st.lists(people, min_size=1, max_size=4))
def test_bytes_are_encoded_as_lists_are(batches: list[list[tuple[str, ...]]]) -> None:
    """One batch after the other, by encoders that remember."""
    of_lists, of_bytes = Encoder(), Encoder()
    for rows in batches:
        lists = batch(rows, lambda column: [clean(value) for value in column])
        assert_same(of_bytes.encode(batch(rows, joined)), of_lists.encode(lists))


def test_many_values_of_a_category_are_encoded_as_in_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than are remembered, and more than are told apart."""
    monkeypatch.setattr("container.encoded.MOST_REMEMBERED", 50)
    monkeypatch.setattr("container.encoded.MOST_VALUES", 300)
    of_lists, of_bytes = Encoder(), Encoder()
    random = np.random.default_rng(3)
    for _ in range(8):
        rows = [(f"A, T{n}. B", "male", "", "", "") for n in random.integers(0, 500, 100).tolist()]
        assert_same(of_bytes.encode(batch(rows, joined)), of_lists.encode(batch(rows, list)))
    assert len(of_bytes.values["title"]) == 300
