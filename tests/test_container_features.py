import csv
import io

from container.features import HIDDEN_WEIGHT, Features, Statistics
from container.passengers import Passengers, read_passengers
from pipeline.settings import Settings

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="module")
def features(passengers: Passengers) -> Features:
    return Features.learn(passengers)


def test_what_was_recorded_after_the_sinking_is_never_a_feature(settings: Settings) -> None:
    """Swapping boat, body and home.dest between survivors and the lost changes no feature."""
    with settings.data_file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    late = ("boat", "body", "home.dest")
    assert any(row["boat"] for row in rows)

    def features_of(rows: list[dict[str, str]]) -> tuple[list[str], bytes]:
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
        passengers = read_passengers(text.getvalue().encode(), "rows", labelled=True)
        features = Features.learn(passengers)
        return features.names, features.training_rows(passengers).matrix.tobytes()

    names, matrix = features_of(rows)
    assert not {name.partition("=")[0] for name in names} & set(late)
    swapped = [{**row, **{k: o[k] for k in late}} for row, o in zip(rows, rows[::-1], strict=True)]
    assert swapped != rows
    assert features_of(swapped) == (names, matrix)


def test_the_label_is_never_a_feature(features: Features, passengers: Passengers) -> None:
    unlabelled = Passengers(passengers.numbers, passengers.texts)
    np.testing.assert_array_equal(features.matrix(unlabelled), features.matrix(passengers))


def test_one_row_has_the_features_that_it_has_among_all(
    features: Features, passengers: Passengers
) -> None:
    together = features.matrix(passengers)
    for row in range(0, len(passengers), 97):
        alone = features.matrix(passengers.take([row]))
        np.testing.assert_array_equal(alone[0], together[row])


def columns(features: Features, matrix: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    return dict(zip(features.names, matrix.T, strict=True))


def values(features: Features, passengers: Passengers) -> dict[str, float]:
    """The features of one passenger."""
    return {name: float(c[0]) for name, c in columns(features, features.matrix(passengers)).items()}


def named(passengers: Passengers, name: str) -> Passengers:
    return passengers.take([passengers.texts["name"].index(name)])


def test_the_order_of_the_rows_carries_nothing(features: Features, passengers: Passengers) -> None:
    order = np.random.default_rng(5).permutation(len(passengers)).tolist()
    shuffled = passengers.take(order)
    assert Features.learn(shuffled).matrix(passengers).tobytes() == (
        features.matrix(passengers).tobytes()
    )
    np.testing.assert_array_equal(features.matrix(shuffled), features.matrix(passengers)[order])


def test_names_and_tickets_carry_nothing_but_title_and_party(
    features: Features, passengers: Passengers
) -> None:
    """Other surnames, given names and ticket numbers for the same people give the same features."""
    renamed = passengers.take(list(range(len(passengers))))
    for row, name in enumerate(renamed.texts["name"]):
        surname, _, rest = name.partition(",")
        title = rest.partition(".")[0]
        renamed.texts["name"][row] = f"{surname[::-1]} of Other,{title}. Somebody"
    renamed.texts["ticket"][:] = [f"X {ticket[::-1]} 7" for ticket in renamed.texts["ticket"]]
    there = Features.learn(renamed)
    assert there.names == features.names
    np.testing.assert_array_equal(
        there.training_rows(renamed).matrix, features.training_rows(passengers).matrix
    )


def test_sums_of_parts_are_the_sums_of_the_whole(passengers: Passengers) -> None:
    rows = np.random.default_rng(6).permutation(len(passengers)).tolist()
    parts = [passengers.take(rows[:1]), passengers.take(rows[1:400]), passengers.take(rows[400:])]
    total = sum((Statistics.of(part) for part in parts), Statistics())
    whole = Statistics.of(passengers)
    assert total.categories == whole.categories
    assert total.ages == whole.ages
    for name in ("keys", "sums", "total"):
        np.testing.assert_array_equal(
            getattr(total.parties, name), getattr(whole.parties, name), err_msg=name
        )


def test_training_rows_can_be_made_part_by_part(features: Features, passengers: Passengers) -> None:
    def sorted_rows(*parts: Passengers) -> NDArray[np.float32]:
        made = [features.training_rows(part) for part in parts]
        rows = np.concatenate([np.column_stack([m.matrix, m.labels, m.weights]) for m in made])
        return np.array(sorted(rows.tolist(), key=str))

    middle = len(passengers) // 2
    parts = [passengers.take(list(range(middle)))]
    parts += [passengers.take(list(range(middle, len(passengers))))]
    np.testing.assert_array_equal(sorted_rows(*parts), sorted_rows(passengers))


def test_rows_with_a_party_are_trained_on_once_more_without_its_fate(
    features: Features, passengers: Passengers
) -> None:
    rows = features.training_rows(passengers)
    here = columns(features, rows.matrix)
    first, again = np.split(here["party_survival"], [len(passengers)])
    assert np.isnan(again).all()
    assert len(again) == np.sum(~np.isnan(first)) > 500
    np.testing.assert_array_equal(
        rows.weights, np.where(np.arange(len(rows.weights)) < len(passengers), 1, HIDDEN_WEIGHT)
    )
    same = ~np.isnan(first)
    np.testing.assert_array_equal(
        here["party_size"][: len(first)][same], here["party_size"][-same.sum() :]
    )
    np.testing.assert_array_equal(rows.labels[: len(first)][same], rows.labels[len(first) :])


def test_a_row_in_training_differs_from_the_same_row_scored_in_its_party_only(
    features: Features, passengers: Passengers
) -> None:
    scored = columns(features, features.matrix(passengers))
    trained = columns(features, features.training_rows(passengers).matrix[: len(passengers)])
    different = {
        name for name in scored if not np.array_equal(scored[name], trained[name], equal_nan=True)
    }
    assert different == {
        "party_size",
        "log_fare_per_person",
        "women_survival",
        "women_survival_of_woman_or_boy",
        "men_survival",  # of a man; a woman is not among the men that she travels with
        "party_survival",
        "party_survival_of_woman_or_boy",
    }


def test_unseen_categories_are_none_of_the_known_ones(
    features: Features, passengers: Passengers
) -> None:
    stranger = passengers.take([0])
    for name in stranger.texts:
        stranger.texts[name][0] = "Zz, Zz. Zz"
    vector = dict(zip(features.names, features.matrix(stranger)[0].tolist(), strict=True))
    assert [value for name, value in vector.items() if "=" in name] == [0.0] * (
        sum(len(values) for values in features.categories.values())
    )


def test_titles_decks_and_families_are_understood(
    features: Features, passengers: Passengers
) -> None:
    allison = values(features, named(passengers, "Allison, Master. Hudson Trevor"))
    assert allison["title=Master"] == allison["deck=C"] == allison["sex=male"] == 1
    assert allison["title=Mr"] == allison["deck="] == 0
    assert allison["woman_or_boy"] == allison["first_class"] == 1
    assert allison["woman_or_boy_in_third_class"] == allison["large_family"] == 0
    assert allison["family_size"] == 4
    assert allison["log_fare"] == pytest.approx(np.log1p(151.55))
    sage = values(features, named(passengers, "Sage, Miss. Stella Anna"))
    assert sage["woman_or_boy_in_third_class"] == sage["large_family"] == sage["deck="] == 1


def test_a_missing_age_is_the_mean_of_its_title(features: Features, passengers: Passengers) -> None:
    titles = [name.split(",")[1].split(".")[0].strip() for name in passengers.texts["name"]]
    ages = np.array(passengers.numbers["age"])
    for title in ("Master", "Mrs"):
        of_title = ages[np.array(titles) == title]
        row = next(r for r, t in enumerate(titles) if t == title and np.isnan(ages[r]))
        vector = values(features, passengers.take([row]))
        assert vector["age"] == pytest.approx(np.nanmean(of_title), abs=1 / 64)
        assert vector["age_known"] == 0
    stranger = passengers.take([0])
    stranger.texts["name"][0] = "Zz, Zz. Zz"
    stranger.numbers["age"][0] = np.nan
    assert values(features, stranger)["age"] == pytest.approx(np.nanmean(ages), abs=1 / 64)


def test_the_size_of_the_party_and_the_fare_are_those_of_the_ticket(
    features: Features, passengers: Passengers
) -> None:
    """Eight men on one ticket, of seven surnames, none with family."""
    row = passengers.texts["ticket"].index("1601")
    trained = columns(features, features.training_rows(passengers).matrix)
    on_it = passengers.texts["ticket"].count("1601")
    assert trained["party_size"][row] == on_it == 8
    assert trained["log_fare_per_person"][row] == pytest.approx(
        np.log1p(passengers.numbers["fare"][row] / 8)
    )
    assert trained["family_size"][row] == 1


def test_passengers_without_any_known_age_can_be_learned_from(passengers: Passengers) -> None:
    ageless = passengers.take(list(range(200)))
    ageless.numbers["age"][:] = [np.nan] * 200
    features = Features.learn(ageless)
    assert np.isnan(columns(features, features.matrix(ageless))["age"]).all()
