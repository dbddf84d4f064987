"""The rows of a channel, read once: encoded into a spool, and what is learned of them added up."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from container.batches import Rows, batches
from container.cluster import ALONE, Cluster
from container.datasets import Table
from container.encoded import WIDTH, Encoder
from container.features import Features, Statistics, TrainingRows
from container.parties import MOST_KEYS, Tally
from container.spool import Spool

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS = 2**15  # of more rows than twice that, every n-th is enough for what needs no more
SAMPLE_PAGE_ROWS = 2**12


class SpooledRows:
    """Labelled rows of this host. With `learning`, `statistics` are those of the rows of all."""

    def __init__(self, rows: Rows, hosts: Cluster = ALONE, *, learning: bool = False) -> None:
        self.statistics = Statistics()
        self._hosts = hosts
        self._encoder, self._spool = Encoder(), Spool(WIDTH)
        parties = Tally()
        for batch in batches(rows):
            people = self._encoder.encode(batch, keys=not parties.given_up)
            self._spool.append(people.packed(), people.labels)
            if learning:
                parties.add(people)
                self.statistics += Statistics.of(people, parties=False)
        self.statistics = replace(hosts.total(self.statistics), parties=parties.of_all(hosts))
        if parties.given_up:
            print(f"parties: more than {MOST_KEYS} keys, their fate is left out", flush=True)

    def training_table(self, features: Features) -> Table:
        """For XGBoost, of rows that the features were learned from."""

        def prepare(rows: NDArray[np.float32], labels: NDArray[np.float32]) -> Mapping[str, object]:
            made = self._training_rows(features, rows, labels)
            weighted = {"weight": made.weights} if features.with_parties else {}
            return {"data": made.matrix, "label": made.labels, **weighted}

        known = features.with_parties
        return Table(self._spool, prepare, len(features.names), known, copies=1 + known)

    def table(self, features: Features) -> Table:
        """For XGBoost, of other rows."""

        def prepare(rows: NDArray[np.float32], labels: NDArray[np.float32]) -> Mapping[str, object]:
            people = self._encoder.unpacked(rows, labels)
            return {"data": features.matrix(people), "label": labels}

        return Table(self._spool, prepare, len(features.names), features.with_parties)

    def sample(self, features: Features) -> Iterator[TrainingRows]:
        """Batches of training rows: all of them while they are few."""
        step = max(1, max(self._hosts.merge(self._spool.rows)) // SAMPLE_ROWS)
        for rows, labels in self._spool.pages(SAMPLE_PAGE_ROWS, step):
            yield self._training_rows(features, rows, labels)

    def _training_rows(
        self, features: Features, rows: NDArray[np.float32], labels: NDArray[np.float32]
    ) -> TrainingRows:
        return features.training_rows(self._encoder.unpacked(rows, labels))

    def __enter__(self) -> "SpooledRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()
