from pathlib import Path

from container.encoded import title
from container.parties import MEN, MEN_SURVIVED, WOMEN, WOMEN_SURVIVED, Parties
from container.passengers import Passengers

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

SURNAMES = ("Ek", "Ek ", "Dahl", "")
people = st.lists(
    st.tuples(
        st.sampled_from(SURNAMES),
        st.sampled_from(["Mr", "Mrs", "Master"]),
        st.sampled_from(["", "1", "2", "a 3", "A 3"]),
        st.sampled_from([7.25, 8.05, np.nan]),
        st.sampled_from([0, 1]),
    ),
    max_size=12,
)
Person = tuple[str, str, str, float, int]


def passengers_of(rows: list[Person]) -> Passengers:
    passengers = Passengers()
    for surname, form, ticket, fare, label in rows:
        texts = {
            "name": f"{surname}, {form}. X",
            "sex": "female" if form == "Mrs" else "male",
            "ticket": ticket,
        }
        for name, column in passengers.texts.items():
            column.append(texts.get(name, ""))
        for name, numbers in passengers.numbers.items():
            numbers.append(fare if name == "fare" else 1.0)
        passengers.labels.append(label)
    return passengers


def together(one: Person, other: Person) -> bool:
    """The definition, for two at a time."""
    ticket = one[2].upper() == other[2].upper() != ""
    surname = one[0].strip() == other[0].strip() != ""
    return ticket or (surname and one[3] == other[3])


def party(of: Person, others: list[Person]) -> list[int]:
    sums = [0, 0, 0, 0]
    for other in others:
        if together(of, other):
            man = other[1] == "Mr"
            sums[MEN if man else WOMEN] += 1
            sums[MEN_SURVIVED if man else WOMEN_SURVIVED] += other[4]
    return sums


@given(people, people)
def test_mates_are_all_others_of_the_same_ticket_or_of_the_same_surname_and_fare(
    learned: list[Person], new: list[Person]
) -> None:
    parties = Parties.count(passengers_of(learned))
    counted = parties.mates(passengers_of(learned), counted=True)
    assert counted.tolist() == [
        party(person, learned[:row] + learned[row + 1 :]) for row, person in enumerate(learned)
    ]
    scored = parties.mates(passengers_of(new), counted=False)
    assert scored.tolist() == [party(person, learned) for person in new]


@given(people, people)
def test_parties_of_parts_add_up(one: list[Person], other: list[Person]) -> None:
    added = Parties.count(passengers_of(one)) + Parties.count(passengers_of(other))
    whole = Parties.count(passengers_of(one + other))
    for name in ("keys", "sums", "total"):
        np.testing.assert_array_equal(getattr(added, name), getattr(whole, name))


def test_the_own_label_is_not_in_the_own_party(passengers: Passengers) -> None:
    before = Parties.count(passengers).mates(passengers, counted=True)
    for row in range(0, len(passengers), 131):
        flipped = passengers.take(list(range(len(passengers))))
        flipped.labels[row] = 1 - flipped.labels[row]
        after = Parties.count(flipped).mates(flipped, counted=True)
        np.testing.assert_array_equal(after[row], before[row])


def test_the_table_is_read_as_it_was_written_and_names_nobody(
    passengers: Passengers, tmp_path: Path
) -> None:
    parties = Parties.count(passengers)
    parties.save(tmp_path / "parties.npy")
    loaded = Parties.load(tmp_path / "parties.npy")
    np.testing.assert_array_equal(
        loaded.mates(passengers, counted=False), parties.mates(passengers, counted=False)
    )
    np.testing.assert_array_equal(loaded.total, parties.total)
    content = (tmp_path / "parties.npy").read_bytes()
    assert b"Allison" not in content
    assert b"113781" not in content


def test_a_file_with_something_else_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "parties.npy", np.zeros(3))
    with pytest.raises(ValueError, match="not a table of parties"):
        Parties.load(tmp_path / "parties.npy")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Braund, Mr. Owen Harris", "Mr"),
        ("Rothes, the Countess. of (Lucy)", "the Countess"),
        ("Nobody", ""),
        ("Only, Surname", ""),
        ("A, B, Mr. C", ""),
        ("", ""),
    ],
)
def test_a_title_stands_between_comma_and_point(name: str, expected: str) -> None:
    assert title(name) == expected
