"""What every program of the numeric comparison but AWS's boosts with; AWS's gets the same."""


def parameters(depth: int) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_depth": depth,
        "eta": 0.3,
    }
