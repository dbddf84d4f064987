import csv
import io

from container.features import Features
from container.passengers import Passengers, read_passengers
from pipeline.settings import Settings

import numpy as np
import pytest


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
        return features.names, features.matrix(passengers).tobytes()

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
    allison = passengers.texts["name"].index("Allison, Master. Hudson Trevor")
    vector = features.matrix(passengers.take([allison]))[0]
    values = dict(zip(features.names, vector.tolist(), strict=True))
    assert values["title=Master"] == 1
    assert values["title=Mr"] == 0
    assert values["deck=C"] == 1
    assert values["family_size"] == 4
    assert values["fare_per_head"] == pytest.approx(151.55 / 4)
