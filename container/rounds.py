"""The rounds of boosting: one loop for every booster, that stops early and can be resumed."""

import contextlib
from collections.abc import Mapping
from typing import Any

from container import termination
from container.checkpoint import Progress, Stage

import xgboost as xgb

BETWEEN_LOG_LINES = 50
BETWEEN_RENEWALS = 10  # a checkpoint is of a multiple of it


def boost(
    params: Mapping[str, Any],
    data: Mapping[str, xgb.DMatrix],
    num_round: int,
    early_stopping_rounds: int,
    stage: Stage,
) -> xgb.Booster:
    """`num_round` trees for `data["train"]`, or with early stopping those up to the least loss on
    the last of the data, found when so many rounds had no lower one.

    `params` are those of xgb.train with one `eval_metric`, of which less is better. Interrupted
    after any round and called again with the same stage, it gives the same bytes.
    """
    params = {**params, "tree_method": "hist", "seed_per_iteration": True}
    watched = [(matrix, name) for name, matrix in data.items()]
    booster = xgb.Booster(params, list(data.values()))
    rounds, losses = 0, list[float]()  # on the last of the data, where early stopping needs them
    saved = stage.resume()
    if saved:
        booster.load_model(bytearray(saved.model))
        booster.set_param(params)
        if saved.finished:
            return booster
        rounds, losses = saved.rounds, saved.state["losses"]
    try:
        while rounds < num_round and not _stalled(losses, early_stopping_rounds):
            termination.check()
            if rounds % BETWEEN_RENEWALS == 0:
                if rounds and stage.due:
                    _save(stage, booster, rounds, losses)
                _renew_samplers(booster)
            booster.update(data["train"], rounds)
            rounds += 1
            if early_stopping_rounds:
                line = booster.eval_set(watched[-1:], rounds - 1)
                losses.append(float(line.rpartition(":")[2]))
            last = rounds == num_round or _stalled(losses, early_stopping_rounds)
            if rounds % BETWEEN_LOG_LINES == 1 or last:
                _say(_rounded(booster.eval_set(watched, rounds - 1)))
    except BaseException:
        with contextlib.suppress(Exception):  # the error that ended the training comes first
            whole = rounds // BETWEEN_RENEWALS * BETWEEN_RENEWALS
            if whole:
                _save(stage, booster[:whole], whole, losses[:whole])
        raise
    if early_stopping_rounds:
        best = losses.index(min(losses)) + 1
        _say(f"best round {best} of {rounds}")
        booster = booster[:best]
    stage.save(Progress(rounds, bytes(booster.save_raw("ubj")), finished=True))
    return booster


def _stalled(losses: list[float], early_stopping_rounds: int) -> bool:
    """Never with 0."""
    if not losses or not early_stopping_rounds:
        return False
    return len(losses) - 1 - losses.index(min(losses)) >= early_stopping_rounds


def _save(stage: Stage, booster: xgb.Booster, rounds: int, losses: list[float]) -> None:
    stage.save(Progress(rounds, bytes(booster.save_raw("ubj")), {"losses": losses}))


def _renew_samplers(booster: xgb.Booster) -> None:
    """XGBoost keeps the state of its row and column samplers with what grows the trees, not in the
    model. Another tree method and back replaces that, as in a booster just loaded; each round is
    seeded by its number (`seed_per_iteration`)."""
    booster.set_param({"tree_method": "approx"})
    booster.num_boosted_rounds()  # parameters are looked at by the first call after them
    booster.set_param({"tree_method": "hist"})


def _say(text: str) -> None:
    """Once, however many hosts there are: their losses are of the rows of all."""
    if xgb.collective.get_rank() == 0:
        print(text, flush=True)


def _rounded(line: str) -> str:
    """What XGBoost says of a round, with its own usual five decimals."""
    head, *scores = line.split("\t")
    parts = (score.rpartition(":") for score in scores)
    return "\t".join([head, *(f"{name}:{float(value):.5f}" for name, _, value in parts)])
