"""The features of a passenger, in plain pandas; the same code trains and scores one row.

With `schema.py`, the module to replace for other data. The program calls `encode` (each row by
itself: numbers, categories, keys), `statistics` (what is learned of them), `transform` (the columns
that the model sees) and `hidden_in_copy`. The others' docstrings make docs/features.md.
"""

from typing import Any, TypeAlias

from container.schema import NUMBERS
from container.target_encoding import (
    Tables,
    categories,
    hash_keys,
    look_up,
    mean_target,
    sums_by_key,
    target_rates,
)

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Columns: TypeAlias = dict[str, NDArray[Any]]

CATEGORIES = ("sex", "title", "deck", "embarked")
MIN_COUNT = 10  # a category that is rarer among the training rows is not told from unknown ones
LARGE_FAMILY = 5  # persons, from which on few survived
TREES_SHARE = 0.35  # of the log odds, the rest is the linear model's; chosen by cross-validation
AGE, ALL, WOMEN, MEN = "age by title", "all", "women and boys by group", "men by group"
EMPTY = sums_by_key([], [])


def encode(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a row says by itself: numbers (float32), categories, group keys (uint64)."""
    names, tickets = rows["name"].tolist(), rows["ticket"].tolist()
    columns: Any = {name: rows[name].astype(np.float32) for name in NUMBERS}
    columns["sex"] = categories(rows["sex"])
    columns["title"] = categories(pd.Series([title(name) for name in names], dtype=object))
    columns["deck"] = categories(rows["cabin"], lambda cabin: cabin[:1].upper())
    columns["embarked"] = categories(rows["embarked"], lambda port: port[:1].upper())
    columns["ticket"] = hash_keys(pd.Series([ticket.upper() for ticket in tickets], dtype=object))
    surnames = [name.partition(",")[0].strip().upper() for name in names]
    families = pd.Series(surnames, rows.index, object)
    columns["family"] = hash_keys(families, columns["fare"])
    return pd.DataFrame(columns)


def statistics(rows: pd.DataFrame, labels: NDArray[Any]) -> dict[str, pd.DataFrame]:
    """Return what is learned of encoded rows, as tables that add up (see `target_encoding`)."""
    tables = {name: sums_by_key(rows[name], labels) for name in CATEGORIES}
    all_rows = pd.Categorical.from_codes(np.zeros(len(rows), int), [""])
    tables |= {f"mean {name}": sums_by_key(all_rows, rows[name]) for name in NUMBERS}
    tables[AGE] = sums_by_key(rows["title"], rows["age"])
    woman = woman_or_boy(rows)
    tables[ALL] = sums_by_key(pd.Categorical.from_codes(woman * 1, ["men", "women"]), labels)
    keys = pd.concat(_group_keys(rows), ignore_index=True)
    woman, labels = np.tile(woman, 3), np.tile(labels, 3)
    tables[WOMEN] = sums_by_key(keys[woman], labels[woman])
    tables[MEN] = sums_by_key(keys[~woman], labels[~woman])
    return tables


def transform(
    rows: pd.DataFrame, tables: Tables, labels: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Return the columns that the model sees, of encoded rows, with what was learned.

    The labels are given for training rows alone: each is then left out of its own travel group.
    """
    numbers, woman = impute(rows, tables), woman_or_boy(rows)
    columns = {
        **passenger_class(numbers["pclass"], woman),
        "woman_or_boy": woman,
        "age": numbers["age"],
        **family_size(numbers["sibsp"], numbers["parch"]),
        **target_encoded_categories(rows, tables),
    }
    groups = travel_group(rows, tables, woman, labels)
    size = group_size(groups, columns["family_size"])
    columns |= fare_per_person(numbers["fare"], size)
    if groups:
        columns |= {"group_size": size, **group_survival(groups, tables, woman)}
    return pd.DataFrame(columns)


def hidden_in_copy(columns: pd.DataFrame) -> list[str]:
    """Return the columns that are hidden in a second copy of a training row that has them.

    So the model also learns to do without, as it must where nobody of the group is known.
    """
    return [name for name in columns if "_survival_rate" in name]


def title(name: str) -> str:
    """Return the form of address: `Mr` of "Braund, Mr. Owen Harris", "" where there is none."""
    form, point, _ = name.partition(",")[2].partition(".")
    return form.strip() if point and "," not in form else ""


def woman_or_boy(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return who had a place in the boats first: women, and boys (title `Master`)."""
    return np.asarray((rows["sex"] == "female") | (rows["title"] == "Master"))


def impute(rows: pd.DataFrame, tables: Tables) -> Columns:
    """Fill unknown numbers with the mean; an unknown age with the mean of those of that title."""
    fill: dict[str, Any] = {n: mean_target(tables.get(f"mean {n}", EMPTY)) for n in NUMBERS}
    by_title = tables.get(AGE, EMPTY)[lambda table: table["count"] >= MIN_COUNT]
    fill["age"] = look_up(rows["title"], by_title["sum"] / by_title["count"], fill["age"])
    return {name: np.where(rows[name].isna(), fill[name], rows[name]) for name in NUMBERS}


def passenger_class(pclass: NDArray[Any], woman: NDArray[np.bool_]) -> Columns:
    """Return the class, whether it is the first, and women and boys of the third.

    The first class was near the boats; in the third, even women and boys were often lost.
    """
    third = woman & (pclass == 3)
    return {"pclass": pclass, "first_class": pclass == 1, "woman_or_boy_in_third_class": third}


def family_size(sibsp: NDArray[Any], parch: NDArray[Any]) -> Columns:
    """Return the size of the family, and whether it was large: few of those got out together."""
    size = sibsp + parch + 1
    return {"family_size": size, "large_family": size >= LARGE_FAMILY}


def target_encoded_categories(rows: pd.DataFrame, tables: Tables) -> Columns:
    """Return for sex, title, deck and port the share that survived in training (target encoding).

    A value that is rare or unknown has the share of all.
    """
    prior = mean_target(tables[ALL])
    rates = {name: target_rates(tables.get(name, EMPTY), prior, MIN_COUNT) for name in CATEGORIES}
    return {name: look_up(rows[name], rates[name], prior) for name in CATEGORIES}


def travel_group(
    rows: pd.DataFrame, tables: Tables, woman: NDArray[Any], labels: NDArray[Any] | None
) -> Columns:
    """Return how many training passengers travelled with each, and how many of them survived.

    The group of a passenger is everyone on the same ticket, and everyone of the same surname who
    paid the same fare on another ticket; who is both counts once. No name is kept, only hashes.
    Nothing is returned when no group is known, or too many are.
    """
    groups: Columns = {}
    keys = _group_keys(rows)
    known = np.asarray((keys[0] != 0) | (keys[1] != 0))
    for name, table, member in (("women", WOMEN, woman), ("men", MEN, ~woman)):
        sums = tables.get(table, EMPTY)
        if sums.empty:
            return {}
        for column, suffix in (("count", ""), ("sum", "_survived")):
            of_ticket, of_family, of_both = (look_up(each, sums[column], 0) for each in keys)
            groups[name + suffix] = of_ticket + of_family - of_both
        if labels is not None:  # leave-one-out
            groups[name] -= member & known
            groups[f"{name}_survived"] -= labels * (member & known)
    return groups


def group_size(groups: Columns, family_size: NDArray[Any]) -> NDArray[Any]:
    """Return how many travelled together: the travel group, and at least the family."""
    companions = groups["women"] + groups["men"] if groups else 0
    return np.asarray(np.maximum(companions + 1, family_size))


def fare_per_person(fare: NDArray[Any], size: NDArray[Any]) -> Columns:
    """Return the logarithm of the fare of each: the fare of a ticket was that of all on it."""
    return {"log_fare_per_person": np.log1p(fare / size)}


def group_survival(groups: Columns, tables: Tables, woman: NDArray[Any]) -> Columns:
    """Return the shares of the travel group's women and boys, men, and all that survived.

    Groups were lost or saved together, women and boys above all with the women of their group:
    each share comes a second time for them alone. It is NaN where there is nobody, and drawn to
    that of all passengers as by one more companion.
    """
    totals = tables[ALL].reindex(["women", "men"], fill_value=0)
    columns: Columns = {}
    for name, own in {"women": ["women"], "men": ["men"], "group": ["women", "men"]}.items():
        count = np.sum([groups[each] for each in own], axis=0)
        survived = np.sum([groups[f"{each}_survived"] for each in own], axis=0)
        prior = mean_target(totals.loc[own])
        rate = np.where(count > 0, (survived + prior) / (count + 1), np.nan)
        columns[f"{name}_survival_rate"] = rate
        columns[f"{name}_survival_rate_of_woman_or_boy"] = np.where(woman, rate, np.nan)
    return columns


def _group_keys(rows: pd.DataFrame) -> list[pd.Series]:
    """Return the keys of the ticket, of the family, and of both, whose members count once."""
    both = pd.Series(hash_keys(rows["ticket"], rows["family"]), rows.index)
    return [rows["ticket"], rows["family"], both]
