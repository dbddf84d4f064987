"""The rows of a channel, read once and encoded into a spool."""

from collections.abc import Mapping

from container.batches import Rows, batches
from container.datasets import Table
from container.features import Encoder, Features
from container.spool import Spool

import numpy as np
from numpy.typing import NDArray


class Encoded:
    def __init__(self, rows: Rows) -> None:
        self.encoder, self._spool = Encoder(), Spool(Encoder.width)
        for batch in batches(rows):
            self._spool.append(self.encoder.encode(batch), np.array(batch.labels, np.float32))

    def table(self, features: Features) -> Table:
        """For XGBoost, with these features."""

        def prepare(
            rows: NDArray[np.float32], labels: NDArray[np.float32]
        ) -> Mapping[str, NDArray[np.float32]]:
            return {"data": features.expand(rows, self.encoder), "label": labels}

        return Table(self._spool, prepare, len(features.names))

    def __enter__(self) -> "Encoded":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()
