"""The usual tutorial script, as a peer: pandas, a scikit-learn pipeline, XGBoost.

`pandas_titanic.py CHANNELS ROUNDS DEPTH MODEL`: CHANNELS holds train/ and validation/ with CSV or
Parquet files. It makes the features of container/features.py, with the tools that tutorials use.
"""

import sys
from pathlib import Path

import pandas as pd
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

NUMBERS = ["pclass", "age", "sibsp", "parch", "fare", "family_size", "fare_per_head"]
CATEGORIES = ["sex", "title", "deck", "embarked"]


def read(folder: Path) -> pd.DataFrame:
    return pd.concat(
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        for path in sorted(folder.iterdir())
    )


def with_features(rows: pd.DataFrame) -> pd.DataFrame:
    rows["title"] = rows["name"].str.extract(r",\s*([^.,]+)\.", expand=False)
    rows["deck"] = rows["cabin"].str[0]
    rows["family_size"] = rows["sibsp"] + rows["parch"] + 1
    rows["fare_per_head"] = rows["fare"] / rows["family_size"]
    return rows


def main(channels: Path, rounds: int, depth: int, model: Path) -> None:
    train, validation = (with_features(read(channels / name)) for name in ("train", "validation"))
    encode = OneHotEncoder(handle_unknown="ignore", min_frequency=10)
    pipeline = Pipeline(
        [
            (
                "features",
                ColumnTransformer(
                    [("numbers", "passthrough", NUMBERS), ("texts", encode, CATEGORIES)]
                ),
            ),
            (
                "model",
                xgb.XGBClassifier(
                    n_estimators=rounds,
                    max_depth=depth,
                    learning_rate=0.05,
                    subsample=0.8,
                    colsample_bytree=0.5,
                    tree_method="hist",
                    random_state=42,
                ),
            ),
        ]
    )
    pipeline.fit(train, train["survived"])
    p, y = pipeline.predict_proba(validation)[:, 1], validation["survived"]
    print("accuracy", accuracy_score(y, p >= 0.5), "f1", f1_score(y, p >= 0.5))
    print("auc", roc_auc_score(y, p), "log_loss", log_loss(y, p))
    pipeline["model"].save_model(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
