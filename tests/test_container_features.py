"""What the model sees of a passenger: the Titanic's features."""

from container.features import (
    AGE,
    CATEGORIES,
    encode,
    hidden_in_copy,
    statistics,
    title,
    transform,
)
from container.reading import read_rows
from container.target_encoding import Tables
from pipeline.settings import Settings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal


def learn(rows: pd.DataFrame) -> Tables:
    return statistics(encode(rows), rows["survived"].to_numpy())


def scored(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    return transform(encode(rows), tables)


def trained(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    return transform(encode(rows), tables, rows["survived"].to_numpy())


@pytest.fixture(scope="module")
def tables(rows: pd.DataFrame) -> Tables:
    return learn(rows)


@pytest.fixture(scope="module")
def columns(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    return scored(rows, tables)


def of_name(rows: pd.DataFrame, columns: pd.DataFrame, name: str) -> pd.Series:
    return columns[(rows["name"] == name).to_numpy()].iloc[0].astype(float)


def stranger(rows: pd.DataFrame, **changes: object) -> pd.DataFrame:
    return rows.iloc[[0]].assign(**changes)


def test_what_was_recorded_after_the_sinking_is_never_a_feature(
    settings: Settings, rows: pd.DataFrame
) -> None:
    """Swapping boat, body and home.dest between survivors and the lost changes no feature."""
    late = ["boat", "body", "home.dest"]
    given = pd.read_csv(settings.data_file, dtype=str, keep_default_na=False)
    assert given["boat"].any()
    swapped = given.assign(**{name: given[name].to_numpy()[::-1] for name in late})
    content = swapped.to_csv(index=False).encode()
    assert_frame_equal(read_rows(content, "rows", labelled=True), rows)


def test_the_label_is_never_a_feature(
    rows: pd.DataFrame, tables: Tables, columns: pd.DataFrame
) -> None:
    assert "survived" not in encode(rows)
    assert "survived" not in columns
    assert_frame_equal(scored(rows.drop(columns="survived"), tables), columns)


def test_fares_saved_as_32_bit_floats_give_the_same_families(rows: pd.DataFrame) -> None:
    short = rows.assign(fare=rows["fare"].astype(np.float32).astype(float))
    assert not short.equals(rows)
    assert_frame_equal(encode(short), encode(rows))


def test_the_order_of_the_rows_carries_nothing(rows: pd.DataFrame, columns: pd.DataFrame) -> None:
    order = np.random.default_rng(5).permutation(len(rows))
    shuffled = rows.iloc[order].reset_index(drop=True)
    there = scored(shuffled, learn(shuffled)).to_numpy(np.float32)
    np.testing.assert_array_equal(there, columns.to_numpy(np.float32)[order])


def test_names_and_tickets_carry_nothing_but_title_and_group(
    rows: pd.DataFrame, tables: Tables
) -> None:
    """Other surnames, given names and ticket numbers for the same people give the same features."""
    parts = rows["name"].str.extract(r"(?P<surname>[^,]*),(?P<title>[^.]*)\.")
    names = parts["surname"].str[::-1] + " of Other," + parts["title"] + ". Somebody"
    there = rows.assign(name=names, ticket="X " + rows["ticket"].str[::-1] + " 7").astype(object)
    there = there.astype(rows.dtypes.to_dict())
    assert_frame_equal(trained(there, learn(there)), trained(rows, tables))


def test_a_training_row_differs_from_the_same_row_scored_in_its_group_only(
    rows: pd.DataFrame, tables: Tables, columns: pd.DataFrame
) -> None:
    own = trained(rows, tables)
    different = {name for name in columns if not own[name].equals(columns[name])}
    survival = {f"{of}_survival_rate" for of in ("women", "men", "group")}
    of_woman = {f"{name}_of_woman_or_boy" for name in survival}
    expected = {"group_size", "log_fare_per_person"} | survival | of_woman
    # A woman is not among the men that she travels with.
    assert different == expected - {"men_survival_rate_of_woman_or_boy"}
    assert set(hidden_in_copy(columns)) == survival | of_woman


def test_unseen_and_rare_categories_have_the_share_of_all(
    rows: pd.DataFrame, tables: Tables, columns: pd.DataFrame
) -> None:
    usual = pytest.approx(rows["survived"].mean())
    texts = dict.fromkeys(("name", "cabin", "embarked"), "Zz, Zz. Zz")
    unseen = scored(stranger(rows, sex="", **texts), tables).iloc[0]
    assert [unseen[name] for name in CATEGORIES] == [usual] * 4
    countess = "Rothes, the Countess. of (Lucy Noel Martha Dyer-Edwards)"
    rare = of_name(rows, columns, countess)
    assert rare["title"] == usual
    assert rare["sex"] != usual


def test_families_are_understood_and_a_category_is_the_share_of_it_that_survived(
    rows: pd.DataFrame, columns: pd.DataFrame
) -> None:
    def rate(of: pd.Series) -> object:
        """As with one more passenger, of whom the share of all survived."""
        survived = rows["survived"]
        return pytest.approx((survived[of].sum() + survived.mean()) / (of.sum() + 1))

    boy = of_name(rows, columns, "Allison, Master. Hudson Trevor")
    assert boy["title"] == rate(rows["name"].str.contains(", Master."))
    assert boy["deck"] == rate(rows["cabin"].str.startswith("C"))
    assert boy["woman_or_boy"] == boy["first_class"] == 1
    assert boy["woman_or_boy_in_third_class"] == boy["large_family"] == 0
    assert boy["family_size"] == 4
    assert boy["log_fare_per_person"] == pytest.approx(np.log1p(151.55 / boy["group_size"]))
    girl = of_name(rows, columns, "Sage, Miss. Stella Anna")
    assert girl["woman_or_boy_in_third_class"] == girl["large_family"] == 1
    assert girl["deck"] == rate(rows["cabin"] == "")
    assert girl["sex"] == rate(rows["sex"] == "female")


def test_a_title_stands_between_comma_and_point() -> None:
    assert title("Braund, Mr. Owen Harris") == "Mr"
    assert title("Rothes, the Countess. of (Lucy)") == "the Countess"
    for name in ("", "Mr. Owen Harris", "Given, Surname", "A, B, Mr. C"):
        assert title(name) == ""


def test_a_missing_age_is_the_mean_of_its_title(
    rows: pd.DataFrame, tables: Tables, columns: pd.DataFrame
) -> None:
    titles = rows["name"].str.extract(r",\s*([^.]*)\.")[0]
    for form in ("Master", "Mrs"):
        ages = rows["age"][titles == form]
        filled = columns["age"][titles == form][ages.isna()]
        np.testing.assert_allclose(filled, ages.mean(), rtol=1e-5)
    unknown = scored(stranger(rows, name="Zz, Zz. Zz", age=np.nan), tables)
    assert unknown["age"][0] == pytest.approx(rows["age"].mean(), rel=1e-5)


def test_a_missing_number_is_the_mean_and_only_the_survival_of_a_group_stays_missing(
    rows: pd.DataFrame, tables: Tables, columns: pd.DataFrame
) -> None:
    row = columns[rows["fare"].isna()].iloc[0]
    expected = np.log1p(rows["fare"].mean() / row["group_size"])
    assert row["log_fare_per_person"] == pytest.approx(expected, rel=1e-5)
    ageless = rows[:200].assign(age=np.nan)
    without = {**learn(ageless)}
    assert without[AGE].empty
    assert (scored(ageless, without)["age"] == 0).all()
    for learned in (tables, without):
        missing = scored(rows, learned).isna().any()
        assert {"women_survival_rate"} < set(missing[missing].index) <= {*hidden_in_copy(columns)}


def test_without_any_group_there_is_a_value_in_every_row(rows: pd.DataFrame) -> None:
    """XGBoost then keeps two bytes for each."""
    alone = rows.assign(ticket="", name="," + rows["name"].str.partition(",")[2])
    alone = alone.astype(rows.dtypes.to_dict())
    columns = trained(alone, learn(alone))
    assert "group_size" not in columns
    assert hidden_in_copy(columns) == []
    assert columns.notna().all(axis=None)


Person = tuple[str, str, str, float, int]
people = st.lists(
    st.tuples(
        st.sampled_from(["Ek", "Ek ", "Dahl", ""]),
        st.sampled_from(["Mr", "Mrs", "Master"]),
        st.sampled_from(["", "1", "2", "a 3", "A 3"]),
        st.sampled_from([7.25, 8.05, np.nan]),
        st.sampled_from([0, 1]),
    ),
    min_size=1,
    max_size=12,
)


def rows_of(persons: list[Person]) -> pd.DataFrame:
    frame = pd.DataFrame(persons, columns=["surname", "form", "ticket", "fare", "survived"])
    frame["name"] = frame["surname"] + ", " + frame["form"] + ". X"
    frame["sex"] = np.where(frame["form"] == "Mrs", "female", "male")
    frame = frame.assign(pclass=1.0, age=30.0, sibsp=0.0, parch=0.0, cabin="", embarked="")
    texts = dict.fromkeys(["name", "sex", "ticket", "cabin", "embarked"], object)
    return frame.astype({**texts, "survived": np.int8})


def together(one: Person, other: Person) -> bool:
    """The definition, for two at a time."""
    ticket = one[2].upper() == other[2].upper() != ""
    surname = one[0].strip() == other[0].strip() != ""
    return ticket or (surname and one[3] == other[3])


def survival(of: Person, others: list[Person], priors: list[float]) -> list[float]:
    """The shares of the group's women, men and all that survived, by brute force."""
    group = [other for other in others if together(of, other)]
    women = [other[4] for other in group if other[1] != "Mr"]
    men = [other[4] for other in group if other[1] == "Mr"]
    return [
        (sum(labels) + prior) / (len(labels) + 1) if labels else np.nan
        for labels, prior in zip((women, men, women + men), priors, strict=True)
    ]


@given(people, people)
def test_leave_one_out_is_what_brute_force_gives(learned: list[Person], new: list[Person]) -> None:
    """In training everybody but oneself, in scoring all training passengers."""
    tables = learn(rows_of(learned))
    parts = [[p[4] for p in learned if (p[1] == "Mr") == man] for man in (False, True)]
    priors = [sum(labels) / max(len(labels), 1) for labels in (*parts, parts[0] + parts[1])]
    others = [learned[:row] + learned[row + 1 :] for row in range(len(learned))]
    in_training = [survival(p, o, priors) for p, o in zip(learned, others, strict=True)]
    in_scoring = [survival(person, learned, priors) for person in new]
    for columns, expected, persons, known in (
        (trained(rows_of(learned), tables), in_training, learned, others),
        (scored(rows_of(new), tables), in_scoring, new, [learned] * len(new)),
    ):
        if "group_size" not in columns:
            continue
        names = [f"{of}_survival_rate" for of in ("women", "men", "group")]
        np.testing.assert_allclose(columns[names].to_numpy(float), expected, rtol=1e-12)
        sizes = [1 + sum(together(p, o) for o in k) for p, k in zip(persons, known, strict=True)]
        assert columns["group_size"].tolist() == sizes


def test_the_tables_name_nobody(tables: Tables) -> None:
    text = "".join(table.to_csv() for table in tables.values())
    assert "Allison" not in text
    assert "113781" not in text
