"""Generates data for the benchmarks, the same for the same seed: `generate.py titanic ROWS FOLDER`.

`titanic`: passengers with the columns of Titanic, who travel in parties that share surname, ticket,
fare, class, port and cabin; who they are is drawn from pipeline/titanic/titanic.csv. `numeric`: 28
normally distributed features and a label, as in the HIGGS data set. The last tenth of the rows, but
at most 200,000, is the validation channel; both channels come as CSV and as Parquet, numbers also
as `train.npy` and `validation.npy` (float32, the label last). Batch after batch: no more is held.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

from container.reading import read_rows
from pipeline.settings import DEFAULT_CONFIG, load_settings

import arro3.core as arrow
import arro3.io
import numpy as np
import pandas as pd

CHUNK_ROWS = 100_000
MOST_VALIDATION_ROWS = 200_000
FEATURES = 28
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
GIVEN = ("Anna", "Bertha", "Clara", "Edith", "Frank", "George", "Henry", "Ivan", "Johan", "Karl")

FLOAT, STRING = arrow.DataType.float64(), arrow.DataType.string()

Columns = dict[str, arrow.Array]


def titanic(rows: int, seed: int) -> Iterator[Columns]:
    base = read_rows(load_settings(DEFAULT_CONFIG).data_file, labelled=True)
    random = np.random.default_rng(seed)
    for first in range(0, rows, CHUNK_ROWS):
        yield _passengers(base, min(CHUNK_ROWS, rows - first), rows, random)


def _passengers(base: pd.DataFrame, rows: int, of: int, random: np.random.Generator) -> Columns:
    party = random.integers(0, max(of // 2, 1), rows)  # two persons each, on average
    leader = (party * 2654435761) % len(base)  # whose ticket, fare, class, port and cabin all have
    person = random.integers(0, len(base), rows)
    own, shared = base.iloc[person], base.iloc[leader]
    group_effect = ((party * 40503) % 1000) / 500 - 1  # of the party, and not in the columns
    female, pclass = (own["sex"] == "female").to_numpy(), shared["pclass"].to_numpy()
    log_odds = 2.6 * female - 0.9 * pclass - 0.02 * own["age"].fillna(30).to_numpy() + group_effect
    survived = random.random(rows) < 1 / (1 + np.exp(-log_odds - 0.6))
    titles = [name.partition(", ")[2].partition(".")[0] for name in base["name"]]
    given = random.integers(0, len(GIVEN), (rows, 2))
    names = [
        f"{_surname(p)}, {titles[q]}. {GIVEN[a]} {GIVEN[b]}"
        for p, q, (a, b) in zip(party.tolist(), person.tolist(), given.tolist(), strict=True)
    ]
    return {
        "survived": arrow.Array.from_numpy(survived.astype(np.int8)),
        "pclass": arrow.Array.from_numpy(pclass.astype(np.int8)),
        "age": _numbers(own["age"]),
        "sibsp": _numbers(own["sibsp"]),
        "parch": _numbers(own["parch"]),
        "fare": _numbers(shared["fare"]),
        "name": arrow.Array(names, STRING),
        "sex": arrow.Array(own["sex"].tolist(), STRING),
        "ticket": arrow.Array([str(100_000 + p) for p in party.tolist()], STRING),
        "cabin": arrow.Array(shared["cabin"].tolist(), STRING),
        "embarked": arrow.Array(shared["embarked"].tolist(), STRING),
    }


def _numbers(column: pd.Series) -> arrow.Array:
    """Return a column with null where it is NaN."""
    return arrow.Array([None if n != n else n for n in column.tolist()], FLOAT)


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


def _channels(
    batches: Iterator[Columns], rows: int
) -> Iterator[tuple[str, int, Iterator[arrow.RecordBatch]]]:
    """The name of each, its rows, and these in batches, to be read before the next is asked for."""
    validation_rows = min(rows // 10, MOST_VALIDATION_ROWS)
    lengths = {"train": rows - validation_rows, "validation": validation_rows}

    def parts() -> Iterator[tuple[str, arrow.RecordBatch]]:
        left = lengths["train"]
        for columns in batches:
            batch = arrow.RecordBatch.from_pydict({**columns})
            cut = min(left, batch.num_rows)
            left -= cut
            for channel, part in (
                ("train", batch.slice(0, cut)),
                ("validation", batch.slice(cut, batch.num_rows - cut)),
            ):
                if part.num_rows:
                    yield channel, part

    for channel, group in itertools.groupby(parts(), key=lambda part: part[0]):
        yield channel, lengths[channel], (part for _, part in group)


def _write(folder: Path, channel: str, parts: Iterator[arrow.RecordBatch]) -> None:
    """Both forms at once, batch after batch."""
    paths = {form: folder / form / channel / f"{channel}.{form}" for form in ("csv", "parquet")}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    first = next(parts)
    with paths["csv"].open("wb") as csv:

        def written() -> Iterator[arrow.RecordBatch]:
            for part in itertools.chain([first], parts):
                arro3.io.write_csv(part, csv, header=part is first)
                yield part

        arro3.io.write_parquet(
            arrow.RecordBatchReader.from_batches(first.schema, written()),
            paths["parquet"],
            compression="snappy",
            max_row_group_size=CHUNK_ROWS,
        )


def _saved(
    path: Path, rows: int, parts: Iterator[arrow.RecordBatch]
) -> Iterator[arrow.RecordBatch]:
    """Writes what passes as an array of shape (rows, FEATURES + 1), the label last."""
    shape = (rows, FEATURES + 1)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    places = [*range(1, FEATURES + 1), 0]
    start = 0
    for part in parts:
        for column, place in enumerate(places):
            array[start : start + part.num_rows, column] = np.array(part.column(place))
        start += part.num_rows
        yield part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("titanic", "numeric"))
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generate = {"titanic": titanic, "numeric": numeric}[arguments.kind]
    batches = generate(arguments.rows, arguments.seed)
    for channel, rows, parts in _channels(batches, arguments.rows):
        if generate is numeric:
            arguments.folder.mkdir(parents=True, exist_ok=True)
            parts = _saved(arguments.folder / f"{channel}.npy", rows, parts)
        _write(arguments.folder, channel, parts)


if __name__ == "__main__":
    main()
