"""Generates data for the benchmarks, the same for the same seed: `generate.py titanic ROWS FOLDER`.

`titanic`: passengers with the columns of Titanic, who travel in parties that share surname, ticket,
fare, class, port and cabin; who they are is drawn from pipeline/titanic/titanic.csv. `numeric`: 28
normally distributed features and a label, as in the HIGGS data set. The last tenth of the rows, but
at most 200,000, is the validation channel; both channels come as CSV and as Parquet, numbers also
as `train.npy` and `validation.npy` (float32, the label last).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from container.passengers import Passengers, read_passengers
from pipeline.settings import DEFAULT_CONFIG, load_settings

import arro3.core as arrow
import arro3.io
import numpy as np

CHUNK_ROWS = 100_000
MOST_VALIDATION_ROWS = 200_000
FEATURES = 28
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
GIVEN = ("Anna", "Bertha", "Clara", "Edith", "Frank", "George", "Henry", "Ivan", "Johan", "Karl")

FLOAT, STRING = arrow.DataType.float64(), arrow.DataType.string()

Columns = dict[str, arrow.Array]


def titanic(rows: int, seed: int) -> Iterator[Columns]:
    content = load_settings(DEFAULT_CONFIG).data_file.read_bytes()
    base = read_passengers(content, "titanic.csv", labelled=True)
    random = np.random.default_rng(seed)
    for first in range(0, rows, CHUNK_ROWS):
        yield _passengers(base, min(CHUNK_ROWS, rows - first), rows, random)


def _passengers(base: Passengers, rows: int, of: int, random: np.random.Generator) -> Columns:
    party = random.integers(0, max(of // 2, 1), rows)  # two persons each, on average
    leader = (party * 2654435761) % len(base)  # whose ticket, fare, class, port and cabin all have
    person = random.integers(0, len(base), rows)
    numbers = {name: np.asarray(column) for name, column in base.numbers.items()}
    sex = np.asarray(base.texts["sex"])[person]
    fate = ((party * 40503) % 1000) / 500 - 1  # shared by the party, and not in the columns
    age, pclass = numbers["age"][person], numbers["pclass"][leader]
    log_odds = 2.6 * (sex == "female") - 0.9 * pclass - 0.02 * np.nan_to_num(age, nan=30) + fate
    survived = random.random(rows) < 1 / (1 + np.exp(-log_odds - 0.6))
    titles = [name.partition(", ")[2].partition(".")[0] for name in base.texts["name"]]
    given = random.integers(0, len(GIVEN), (rows, 2))
    names = [
        f"{_surname(p)}, {titles[q]}. {GIVEN[a]} {GIVEN[b]}"
        for p, q, (a, b) in zip(party.tolist(), person.tolist(), given.tolist(), strict=True)
    ]
    return {
        "survived": arrow.Array.from_numpy(survived.astype(np.int8)),
        "pclass": arrow.Array.from_numpy(pclass.astype(np.int8)),
        **{
            name: arrow.Array(
                [None if n != n else n for n in column.tolist()], arrow.DataType.float64()
            )
            for name, column in (
                ("age", age),
                ("sibsp", numbers["sibsp"][person]),
                ("parch", numbers["parch"][person]),
                ("fare", numbers["fare"][leader]),
            )
        },
        "name": arrow.Array(names, STRING),
        "sex": arrow.Array(sex.tolist(), STRING),
        "ticket": arrow.Array([str(100_000 + p) for p in party.tolist()], STRING),
        **{
            name: arrow.Array([base.texts[name][q] for q in leader.tolist()], STRING)
            for name in ("cabin", "embarked")
        },
    }


def _surname(party: int) -> str:
    letters = ""
    while party:
        party, letter = divmod(party, len(LETTERS))
        letters += LETTERS[letter]
    return letters.title() or "A"


def numeric(rows: int, seed: int) -> Iterator[Columns]:
    random = np.random.default_rng(seed)
    weights = random.normal(size=FEATURES)
    for first in range(0, rows, CHUNK_ROWS):
        x = (
            random.normal(size=(min(CHUNK_ROWS, rows - first), FEATURES))
            .round(6)
            .astype(np.float32)
        )
        margin = x @ weights + 3 * x[:, 0] * x[:, 1] + 4 * random.normal(size=len(x))
        yield {
            "label": arrow.Array.from_numpy((margin > 0).astype(np.int8)),
            **{
                f"f{n}": arrow.Array.from_numpy(np.ascontiguousarray(x[:, n]))
                for n in range(FEATURES)
            },
        }


def _part(batches: list[arrow.RecordBatch], first: int, last: int) -> arrow.RecordBatchReader:
    """The rows from `first` to before `last`."""
    start, part = 0, []
    for batch in batches:
        a, b = max(first - start, 0), min(last - start, batch.num_rows)
        if a < b:
            part.append(batch.slice(a, b - a))
        start += batch.num_rows
    return arrow.RecordBatchReader.from_batches(batches[0].schema, part)


def _label_last(part: arrow.RecordBatchReader) -> np.ndarray:
    """Shape (rows, FEATURES + 1)."""
    places = [*range(1, FEATURES + 1), 0]
    tables = [np.column_stack([np.array(b.column(n)) for n in places]) for b in part]
    return np.concatenate(tables).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("titanic", "numeric"))
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generate = {"titanic": titanic, "numeric": numeric}[arguments.kind]
    rows = arguments.rows
    batches = [arrow.RecordBatch.from_pydict({**c}) for c in generate(rows, arguments.seed)]
    cut = rows - min(rows // 10, MOST_VALIDATION_ROWS)
    for channel, first, last in (("train", 0, cut), ("validation", cut, rows)):
        for form in ("csv", "parquet"):
            folder = arguments.folder / form / channel
            folder.mkdir(parents=True, exist_ok=True)
            path, part = folder / f"{channel}.{form}", _part(batches, first, last)
            if form == "csv":
                arro3.io.write_csv(part, path, header=True)
            else:
                arro3.io.write_parquet(
                    part, path, compression="snappy", max_row_group_size=CHUNK_ROWS
                )
        if generate is numeric:
            np.save(arguments.folder / f"{channel}.npy", _label_last(_part(batches, first, last)))


if __name__ == "__main__":
    main()
