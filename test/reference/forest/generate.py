"""Makes forest.json and classes.json: what scikit-learn's forests reach on the rows they were not grown on. See SOURCE.md."""
import json
import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import log_loss, roc_auc_score

X, y = make_friedman1(n_samples=1600, n_features=10, noise=1.0, random_state=7)
X, y = np.round(X, 6), np.round(y, 6)
late = (y > np.median(y)).astype(int)
train, held = slice(0, 800), slice(800, None)


def spread(make, score):
    values = [score(make(seed)) for seed in range(10)]
    return {"mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1))}


common = dict(n_estimators=200, min_samples_leaf=5, n_jobs=1)
out = {
    "columns": X.T.tolist(),
    "target": y.tolist(),
    "late": late.tolist(),
    "nTrain": 800,
    "forestMse": spread(
        lambda s: RandomForestRegressor(max_features=1 / 3, random_state=s, **common).fit(X[train], y[train]),
        lambda m: np.mean((m.predict(X[held]) - y[held]) ** 2),
    ),
    "forestOutOfBagMse": spread(
        lambda s: RandomForestRegressor(max_features=1 / 3, oob_score=True, random_state=s, **common).fit(X[train], y[train]),
        lambda m: np.mean((m.oob_prediction_ - y[train]) ** 2),
    ),
    "extraMse": spread(
        lambda s: ExtraTreesRegressor(max_features=1 / 3, random_state=s, **common).fit(X[train], y[train]),
        lambda m: np.mean((m.predict(X[held]) - y[held]) ** 2),
    ),
    "forestAuc": spread(
        lambda s: RandomForestClassifier(max_features="sqrt", random_state=s, **common).fit(X[train], late[train]),
        lambda m: roc_auc_score(late[held], m.predict_proba(X[held])[:, 1]),
    ),
    "extraAuc": spread(
        lambda s: ExtraTreesClassifier(max_features="sqrt", random_state=s, **common).fit(X[train], late[train]),
        lambda m: roc_auc_score(late[held], m.predict_proba(X[held])[:, 1]),
    ),
}
with open("forest.json", "w") as file:
    json.dump(out, file)

quarter = np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75]))


def wrong(p):
    return float(np.mean(p.argmax(1) != quarter[held]))


def classes(make, score):
    return spread(lambda s: make(s).fit(X[train], quarter[train]), score)


def forest(s):
    return RandomForestClassifier(max_features="sqrt", oob_score=True, random_state=s, **common)


def extra(s):
    return ExtraTreesClassifier(max_features="sqrt", random_state=s, **common)


out = {
    "quarter": quarter.tolist(),
    "forestWrong": classes(forest, lambda m: wrong(m.predict_proba(X[held]))),
    "forestLogLoss": classes(forest, lambda m: log_loss(quarter[held], m.predict_proba(X[held]))),
    "forestOutOfBagWrong": classes(forest, lambda m: 1 - m.oob_score_),
    "extraWrong": classes(extra, lambda m: wrong(m.predict_proba(X[held]))),
    "extraLogLoss": classes(extra, lambda m: log_loss(quarter[held], m.predict_proba(X[held]))),
}
with open("classes.json", "w") as file:
    json.dump(out, file)
