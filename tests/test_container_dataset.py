"""From rows to XGBoost's matrices: the same, whatever the chunks and wherever they lie."""

from typing import Any

from container.target_encoding import Tables

import numpy as np
import pandas as pd
import pytest
import small_features
import xgboost as xgb
from small_program import dataset, make_rows

PARAMS = {"objective": "binary:logistic", "tree_method": "hist", "subsample": 0.8, "seed": 1}
PLENTY, LITTLE = 100_000, 1


def learn(rows: Any) -> Tables:
    tables: Tables = dataset.EncodedDataset(rows).learn()
    return tables


def matrix(rows: Any, tables: Tables, *, training: bool = True) -> Any:
    return dataset.Matrix(dataset.EncodedDataset(rows), tables, training=training)


def records(of: Any, step: int = 1) -> np.ndarray:
    return np.concatenate([*of.pages(step)])


@pytest.mark.parametrize("count", [200, dataset.PAGE_ROWS + 200])
def test_a_row_has_its_columns_label_and_weight_however_many_pages_there_are(count: int) -> None:
    """Also where a page has categories that those before it had not."""
    rows = make_rows(count)
    last = rows.loc[count - 200 :, "kind"]
    rows.loc[count - 200 :, "kind"] = last.replace("A", "C")
    tables, labels, encoded = learn(rows), rows["bought"].to_numpy(), small_features.encode(rows)
    for name, table in small_features.statistics(encoded, labels).items():
        assert tables[name].to_dict() == table.to_dict()
    for training in (True, False):
        made = matrix(rows, tables, training=training)
        columns = small_features.transform(encoded, tables, labels if training else None)
        assert made.columns == list(columns)
        whole = records(made)
        own = whole[whole[:, -1] == 1]
        np.testing.assert_array_equal(own[:, :-2], columns.to_numpy(np.float32))
        np.testing.assert_array_equal(own[:, -2], labels)
        assert training or len(whole) == count


def test_rows_with_hidden_columns_come_once_more_without_them() -> None:
    rows = make_rows(200)
    made = matrix(rows, learn(rows))
    whole = records(made)
    own, copies = whole[:200], whole[200:]
    place = made.columns.index("note")
    have = ~np.isnan(own[:, place])
    assert 50 < have.sum() == len(copies) < 200
    assert np.isnan(copies[:, place]).all()
    assert (copies[:, -1] == dataset.HIDDEN_WEIGHT).all()
    rest = [column for column in range(whole.shape[1] - 1) if column != place]
    np.testing.assert_array_equal(copies[:, rest], own[have][:, rest])


def test_values_of_validation_that_training_has_not_are_counted_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = make_rows(100)
    kinds = pd.Series(["A", "new", "B", "other"] * 25, dtype=object)
    parts = [rows.assign(kind=kinds), rows.assign(kind=kinds)]
    tables = learn(rows)
    matrix(rows, tables, training=False)
    matrix(parts, tables, training=True)
    assert capsys.readouterr().out == ""
    matrix(parts, tables, training=False)
    message = "kind: 2 value(s) never seen in training: 'new', 'other'\n"
    assert capsys.readouterr().out == message


def trained(train: Any, validation: Any, limit: int) -> xgb.Booster:
    with dataset.quantile_matrices(train, validation, limit) as matrices:
        kinds = {type(each) for each in matrices.values()}
        expected = xgb.QuantileDMatrix if limit == PLENTY else xgb.ExtMemQuantileDMatrix
        assert kinds == {expected}
        return xgb.train(
            PARAMS,
            matrices["train"],
            5,
            evals=[(matrices["validation"], "rows")],
            verbose_eval=False,
        )


@pytest.fixture(scope="module")
def many() -> tuple[Any, Any]:
    """Training rows of which a sample says where the bins end, in several pages."""
    rows = make_rows(2 * dataset.SAMPLE_ROWS)
    return matrix(rows, learn(rows)), matrix(make_rows(20_000, 1), learn(rows), training=False)


@pytest.mark.parametrize("step", [2, 13, 10**6])
def test_every_nth_record_is_read_with_no_more_than_a_page_in_memory(
    many: tuple[Any, Any], step: int
) -> None:
    data = many[0]
    assert records(data).nbytes > dataset.BUFFER_BYTES  # so it is on disk
    np.testing.assert_array_equal(records(data, step), records(data)[::step])
    assert max(map(len, data.pages(step))) == max(dataset.PAGE_ROWS // step, 1)


def test_data_on_disk_give_the_trees_of_data_in_memory(
    many: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    in_memory = trained(*many, PLENTY)
    assert "data in memory: about " in capsys.readouterr().out
    on_disk = trained(*many, LITTLE)
    assert "of 1 MiB\n" in capsys.readouterr().out
    assert on_disk.save_raw() == in_memory.save_raw()


def test_a_sample_for_the_bins_costs_no_quality(many: tuple[Any, Any]) -> None:
    """The loss is that of bins from all rows, but for what any two samples differ in."""
    whole = records(many[0])
    full = xgb.QuantileDMatrix(whole[:, :-2], whole[:, -2], weight=whole[:, -1])
    test = records(many[1])
    losses = []
    for booster in (trained(*many, PLENTY), xgb.train(PARAMS, full, 5)):
        p = booster.inplace_predict(test[:, :-2])
        losses.append(-np.log(np.where(test[:, -2] == 1, p, 1 - p)).mean())
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
