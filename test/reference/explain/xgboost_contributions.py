"""XGBoost's own contributions of a binary model with missing values, beside its JSON. See SOURCE.md."""
import json

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(20261127)
X = rng.normal(size=(600, 4))
X[rng.random(X.shape) < 0.1] = np.nan
raw = np.nan_to_num(X[:, 0]) * 1.5 - np.nan_to_num(X[:, 1]) * np.nan_to_num(X[:, 2]) + rng.normal(size=600)
y = (raw > 0).astype(int)
booster = xgb.train(
    {"objective": "binary:logistic", "max_depth": 4, "eta": 0.3, "base_score": 0.5, "seed": 7, "nthread": 1},
    xgb.DMatrix(X, label=y, feature_names=["a", "b", "c", "d"]),
    num_boost_round=20,
)
rows = X[:20]
matrix = xgb.DMatrix(rows, feature_names=["a", "b", "c", "d"])
contributions = booster.predict(matrix, pred_contribs=True)
with open("xgboost-contributions.json", "w") as out:
    json.dump(
        {
            "model": json.loads(booster.save_raw("json").decode()),
            "rows": [[None if np.isnan(v) else float(v) for v in row] for row in rows],
            "contributions": [[float(v) for v in row[:-1]] for row in contributions],
            "base": float(contributions[0, -1]),
            "output": [float(v) for v in booster.predict(matrix)],
        },
        out,
        separators=(",", ":"),
    )
