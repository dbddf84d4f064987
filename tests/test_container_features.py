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
    assert set(rows.weights.tolist()) == {1, HIDDEN_WEIGHT}
    again = np.flatnonzero(rows.weights == HIDDEN_WEIGHT)
    assert len(rows.weights) - len(again) == len(passengers)
    here = columns(features, rows.matrix)
    fate = here["party_survival"]
    assert np.isnan(fate[again]).all()
    assert len(again) == np.count_nonzero(~np.isnan(fate)) > 500
    assert not np.isnan(fate[again - 1]).any()
    np.testing.assert_array_equal(here["party_size"][again], here["party_size"][again - 1])
    np.testing.assert_array_equal(rows.labels[again], rows.labels[again - 1])


def own_rows(features: Features, passengers: Passengers) -> dict[str, NDArray[np.float32]]:
    """The columns of training rows, without those that come again."""
    rows = features.training_rows(passengers)
    return columns(features, rows.matrix[rows.weights == 1])


def test_a_row_in_training_differs_from_the_same_row_scored_in_its_party_only(
    features: Features, passengers: Passengers
) -> None:
    scored = columns(features, features.matrix(passengers))
    trained = own_rows(features, passengers)
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


def test_a_category_is_the_share_that_survived_as_with_one_more_passenger(
    features: Features, passengers: Passengers
) -> None:
    survived = np.array(passengers.labels)
    female = np.array(passengers.texts["sex"]) == "female"
    share = (survived[female].sum() + survived.mean()) / (female.sum() + 1)
    sex = columns(features, features.matrix(passengers))["sex"]
    np.testing.assert_allclose(sex[female], share, rtol=1e-6)


def test_unseen_and_rare_categories_have_the_share_of_all(
    features: Features, passengers: Passengers
) -> None:
    usual = pytest.approx(np.mean(passengers.labels))
    stranger = passengers.take([0])
    for name in stranger.texts:
        stranger.texts[name][0] = "Zz, Zz. Zz"
    vector = values(features, stranger)
    assert [vector[name] for name in ("sex", "title", "deck", "embarked")] == [usual] * 4
    rare = values(
        features, named(passengers, "Rothes, the Countess. of (Lucy Noel Martha Dyer-Edwards)")
    )
    assert rare["title"] == usual
    assert rare["sex"] != usual


def test_titles_decks_and_families_are_understood(
    features: Features, passengers: Passengers
) -> None:
    allison = values(features, named(passengers, "Allison, Master. Hudson Trevor"))
    learned = features.categories
    assert allison["title"] == pytest.approx(learned["title"]["Master"])
    assert allison["deck"] == pytest.approx(learned["deck"]["C"])
    assert allison["sex"] == pytest.approx(learned["sex"]["male"])
    assert allison["woman_or_boy"] == allison["first_class"] == 1
    assert allison["woman_or_boy_in_third_class"] == allison["large_family"] == 0
    assert allison["family_size"] == 4
    fare = 151.55 / allison["party_size"]
    assert allison["log_fare_per_person"] == pytest.approx(np.log1p(fare))
    sage = values(features, named(passengers, "Sage, Miss. Stella Anna"))
    assert sage["woman_or_boy_in_third_class"] == sage["large_family"] == 1
    assert sage["deck"] == pytest.approx(learned["deck"][""])


def test_a_missing_age_is_the_mean_of_its_title(features: Features, passengers: Passengers) -> None:
    titles = [name.split(",")[1].split(".")[0].strip() for name in passengers.texts["name"]]
    ages = np.array(passengers.numbers["age"])
    for title in ("Master", "Mrs"):
        of_title = ages[np.array(titles) == title]
        row = next(r for r, t in enumerate(titles) if t == title and np.isnan(ages[r]))
        vector = values(features, passengers.take([row]))
        assert vector["age"] == pytest.approx(np.nanmean(of_title), abs=1 / 64)
    stranger = passengers.take([0])
    stranger.texts["name"][0] = "Zz, Zz. Zz"
    stranger.numbers["age"][0] = np.nan
    assert values(features, stranger)["age"] == pytest.approx(np.nanmean(ages), abs=1 / 64)


def test_the_size_of_the_party_and_the_fare_are_those_of_the_ticket(
    features: Features, passengers: Passengers
) -> None:
    """Eight men on one ticket, of seven surnames, none with family."""
    row = passengers.texts["ticket"].index("1601")
    trained = own_rows(features, passengers)
    on_it = passengers.texts["ticket"].count("1601")
    assert trained["party_size"][row] == on_it == 8
    assert trained["log_fare_per_person"][row] == pytest.approx(
        np.log1p(passengers.numbers["fare"][row] / 8)
    )
    assert trained["family_size"][row] == 1


def test_what_is_missing_is_the_mean_and_nothing_but_the_fate_of_a_party_stays_missing(
    features: Features, passengers: Passengers
) -> None:
    fare = next(row for row, fare in enumerate(passengers.numbers["fare"]) if np.isnan(fare))
    vector = values(features, passengers.take([fare]))
    mean = np.nanmean(passengers.numbers["fare"])
    expected = np.log1p(mean / vector["party_size"])
    assert vector["log_fare_per_person"] == pytest.approx(expected, abs=1e-3)
    ageless = passengers.take(list(range(200)))
    ageless.numbers["age"][:] = [np.nan] * 200
    without_ages = Features.learn(ageless)
    assert (columns(without_ages, without_ages.matrix(ageless))["age"] == 0).all()
    for learned in (features, without_ages):
        of_columns = columns(learned, learned.matrix(passengers))
        unknown = {name for name, column in of_columns.items() if np.isnan(column).any()}
        assert {name.partition("_survival")[0] for name in unknown} == {"women", "men", "party"}


def test_without_any_party_there_is_a_value_in_every_row(passengers: Passengers) -> None:
    """XGBoost then keeps a byte for each."""
    strangers = passengers.take(list(range(len(passengers))))
    strangers.texts["ticket"][:] = [""] * len(passengers)
    strangers.texts["name"][:] = ["," + name.partition(",")[2] for name in passengers.texts["name"]]
    features = Features.learn(strangers)
    assert "party_size" not in features.names
    rows = features.training_rows(strangers)
    assert rows.matrix.shape == (len(passengers), len(features.names))
    assert np.isfinite(rows.matrix).all()
