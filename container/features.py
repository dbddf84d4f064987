"""The features of a passenger, in plain pandas; the same code trains and scores one row.

With `schema.py`, this is the module to replace for other data. The program calls three functions:
`encode` turns rows into numbers, categories and keys, each row by itself; `statistics` sums up what
is learned of them; `transform` makes the columns that the model sees. Every other public function is
one group of columns, whose docstring becomes the glossary (docs/features.md).
"""

from container.schema import NUMBERS
from container.target_encoding import Tables, hash_keys, look_up, sums_by_key, target_rates

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CATEGORIES = ("sex", "title", "deck", "embarked")
MIN_COUNT = 10  # a category that is rarer among the training rows is not told from the unknown ones
LARGE_FAMILY = 5  # persons, from which on few survived
AGE, ALL, WOMEN, MEN = "age by title", "all", "women and boys by group", "men by group"
EMPTY = sums_by_key([], [])


def encode(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a row says by itself: numbers (float32), categories, and keys of groups (uint64).

    Nothing is learned here, so rows may come in any chunks. These columns are what is kept of a row
    until the model's columns are made of them.
    """
    surname, _, rest = map(list, zip(*(name.partition(",") for name in rows["name"]), strict=True))
    texts = {
        "sex": rows["sex"],
        "title": [title(text) for text in rest],
        "deck": [cabin[:1].upper() for cabin in rows["cabin"]],
        "embarked": [port[:1].upper() for port in rows["embarked"]],
    }
    columns = {name: rows[name].astype(np.float32) for name in NUMBERS}
    columns |= {name: pd.Categorical(texts[name]) for name in CATEGORIES}
    ticket = pd.Series([ticket.upper() for ticket in rows["ticket"]], dtype=object)
    family = pd.Series([name.strip().upper() for name in surname], dtype=object)
    columns["ticket"] = hash_keys(ticket)
    columns["family"] = hash_keys(family, rows["fare"])
    return pd.DataFrame(columns)


def title(text: str) -> str:
    """Return the form of address of a name: `Mr` of "Mr. Owen Harris", "" where there is none.

    It tells age, sex and rank of those whose age is unknown: a `Master` is a boy.
    """
    form, point, _ = text.partition(".")
    return form.strip() if point and "," not in form else ""


def statistics(rows: pd.DataFrame, labels: NDArray[np.int8]) -> dict[str, pd.DataFrame]:
    """Return what is learned of encoded rows, as tables that add up (see `target_encoding`)."""
    woman = woman_or_boy(rows)
    keys = pd.concat([rows["ticket"], rows["family"], _both_keys(rows)], ignore_index=True)
    of_women = np.tile(woman, 3)
    tables = {name: sums_by_key(rows[name], labels) for name in CATEGORIES}
    tables |= {f"mean {name}": sums_by_key(np.full(len(rows), ""), rows[name]) for name in NUMBERS}
    tables[AGE] = sums_by_key(rows["title"], rows["age"])
    tables[ALL] = sums_by_key(np.where(woman, "women and boys", "men"), labels)
    survived = pd.Series(np.tile(labels, 3))
    tables[WOMEN] = sums_by_key(keys[of_women], survived[of_women])
    tables[MEN] = sums_by_key(keys[~of_women], survived[~of_women])
    return tables


def transform(
    rows: pd.DataFrame, tables: Tables, labels: NDArray[np.int8] | None = None
) -> pd.DataFrame:
    """Return the columns that the model sees, of encoded rows.

    Args:
        rows: What `encode` returned.
        tables: What was learned of the training rows.
        labels: Given for training rows alone: each is then left out of its own travel group.
    """
    overall = tables[ALL].sum()
    prior = overall["sum"] / overall["count"]
    numbers = impute(rows, tables)
    woman = woman_or_boy(rows)
    columns = {
        **passenger_class(numbers, woman),
        "woman_or_boy": woman,
        "age": numbers["age"],
        **family_size(numbers),
        **target_encoded_categories(rows, tables, prior),
    }
    groups = travel_group(rows, tables, woman, labels)
    people = groups["women"] + groups["men"] + 1 if groups else 1
    size = np.maximum(people, columns["family_size"])
    columns["log_fare_per_person"] = np.log1p(numbers["fare"] / size)
    if groups:
        columns |= {"group_size": size, **group_survival(groups, tables, woman)}
    return pd.DataFrame(columns)


def woman_or_boy(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return who had a place in the boats first: women, and boys (title `Master`)."""
    return ((rows["sex"] == "female") | (rows["title"] == "Master")).to_numpy()


def impute(rows: pd.DataFrame, tables: Tables) -> dict[str, NDArray[np.float64]]:
    """Fill unknown numbers with the mean; an unknown age with the mean of those of that title."""
    means = {name: _mean(tables.get(f"mean {name}", EMPTY)) for name in NUMBERS}
    by_title = tables.get(AGE, EMPTY)
    by_title = by_title[by_title["count"] >= MIN_COUNT]
    fill = means | {"age": look_up(rows["title"], by_title["sum"] / by_title["count"], means["age"])}
    numbers = {name: rows[name].to_numpy(float) for name in NUMBERS}
    return {name: np.where(np.isnan(x), fill[name], x) for name, x in numbers.items()}


def passenger_class(
    numbers: dict[str, NDArray[np.float64]], woman: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the class, whether it is the first, and women and boys of the third.

    The first class was near the boats; in the third, even women and boys were often lost.
    """
    pclass = numbers["pclass"]
    third = woman & (pclass == 3)
    return {"pclass": pclass, "first_class": pclass == 1, "woman_or_boy_in_third_class": third}


def family_size(numbers: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return the family's size, and whether it was large: few of those found each other in time."""
    size = numbers["sibsp"] + numbers["parch"] + 1
    return {"family_size": size, "large_family": size >= LARGE_FAMILY}


def target_encoded_categories(
    rows: pd.DataFrame, tables: Tables, prior: float
) -> dict[str, NDArray[np.float64]]:
    """Return for each category the share of its training rows that survived (target encoding).

    A value that is rare or unknown has the share of all.
    """
    rates = {name: target_rates(tables.get(name, EMPTY), prior, MIN_COUNT) for name in CATEGORIES}
    return {name: look_up(rows[name], rates[name], prior) for name in CATEGORIES}


def travel_group(
    rows: pd.DataFrame, tables: Tables, woman: NDArray[np.bool_], labels: NDArray[np.int8] | None
) -> dict[str, NDArray[np.float64]]:
    """Return how many other training passengers travelled with each, and how many survived.

    The group of a passenger is everyone on the same ticket, and everyone of the same surname who
    paid the same fare on another ticket; who is both counts once. Groups are known by the hashes of
    their keys, so that no name is kept. Empty when no group is known, or too many are.
    """
    women, men = tables.get(WOMEN, EMPTY), tables.get(MEN, EMPTY)
    if women.empty or men.empty:
        return {}
    both = _both_keys(rows)

    def total(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
        of_ticket, of_family, of_both = (
            look_up(keys, table[column], 0) for keys in (rows["ticket"], rows["family"], both)
        )
        return of_ticket + of_family - of_both

    groups = {"women": total(women, "count"), "women_survived": total(women, "sum")}
    groups |= {"men": total(men, "count"), "men_survived": total(men, "sum")}
    if labels is not None:  # leave-one-out
        known = ((rows["ticket"] != 0) | (rows["family"] != 0)).to_numpy()
        for name, own in (("women", woman & known), ("men", ~woman & known)):
            groups[name] -= own
            groups[f"{name}_survived"] -= own * labels
    return groups


def group_survival(
    groups: dict[str, NDArray[np.float64]], tables: Tables, woman: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the share of the travel group that survived, by those whom it counts; NaN for nobody.

    Groups were lost or saved together: women and boys above all with the women of their group. Each
    share is drawn to that of all passengers, as by one more companion.
    """
    total = tables[ALL].reindex(["women and boys", "men"]).fillna(0)
    priors = [*(total["sum"] / total["count"].clip(1)), total["sum"].sum() / total["count"].sum()]
    counts = [groups["women"], groups["men"], groups["women"] + groups["men"]]
    sums = [groups["women_survived"], groups["men_survived"]]
    sums.append(sums[0] + sums[1])
    columns = {}
    for name, prior, count, survived in zip(("women", "men", "group"), priors, counts, sums, strict=True):
        rate = np.where(count > 0, (survived + prior) / (count + 1), np.nan)
        columns[f"{name}_survival_rate"] = rate
        columns[f"{name}_survival_rate_of_woman_or_boy"] = np.where(woman, rate, np.nan)
    return columns


def hidden_in_copy(columns: pd.DataFrame) -> list[str]:
    """Return the columns that are hidden in a second copy of a training row.

    So the model also learns to do without, as it must for a passenger of whose group nobody is
    known.
    """
    return [name for name in columns if "_survival_rate" in name]


def _both_keys(rows: pd.DataFrame) -> pd.Series:
    return pd.Series(hash_keys(rows["ticket"], rows["family"]))


def _mean(table: pd.DataFrame) -> float:
    return float(table["sum"].sum() / max(table["count"].sum(), 1))
