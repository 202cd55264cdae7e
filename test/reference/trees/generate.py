"""Makes the fixtures of this folder with LightGBM, SHAP and scikit-learn. Run: python generate.py (see SOURCE.md for versions)."""
import json, pathlib
import numpy as np
import lightgbm as lgb
import shap
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
QUIET = dict(verbosity=-1, num_threads=1, deterministic=True, seed=1)


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")))


def cells(rows):
    return [[None if np.isnan(x) else float(x) for x in row] for row in rows]


def explained(name, booster, rows):
    contrib = booster.predict(rows, pred_contrib=True)
    write(name, dict(
        model=booster.model_to_string(),
        rows=cells(rows),
        raw=booster.predict(rows, raw_score=True).tolist(),
        output=booster.predict(rows).tolist(),
        contributions=contrib[:, :-1].tolist(),
        base=contrib[:, -1].tolist(),
    ))


def numeric_with_missing():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(1500, 6)).round(3)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 5] = np.where(rng.random(1500) < 0.5, 0.0, x[:, 5])
    s = np.nan_to_num(x)
    y = (s[:, 0] * s[:, 1] + s[:, 2] + np.isnan(x[:, 3]) + rng.normal(size=1500) > 0).astype(int)
    booster = lgb.train(dict(objective="binary", num_leaves=15, **QUIET), lgb.Dataset(x, y), 12)
    explained("lightgbm-missing.json", booster, x[:40])


def categories():
    rng = np.random.default_rng(12)
    x = np.column_stack([rng.integers(0, 40, 2000), rng.normal(size=2000).round(3), rng.integers(0, 3, 2000)]).astype(float)
    x[rng.random(2000) < 0.05, 0] = np.nan
    effect = rng.normal(size=41)
    y = effect[np.nan_to_num(x[:, 0], nan=40).astype(int)] + x[:, 1] * (x[:, 2] == 1) + 0.3 * rng.normal(size=2000)
    booster = lgb.train(dict(objective="regression", num_leaves=15, **QUIET),
                        lgb.Dataset(x, y, categorical_feature=[0, 2]), 12)
    rows = x[:36].copy()
    rows[30:33, 0] = [55, 39, np.nan]
    explained("lightgbm-categories.json", booster, rows)


def quality():
    rng = np.random.default_rng(13)
    x = rng.integers(0, 100, size=(8000, 6))
    z = (x - 50) / 25
    p = 1 / (1 + np.exp(-(z[:, 0] * z[:, 1] + np.sin(2 * z[:, 2]) + 0.5 * z[:, 3] + (z[:, 4] > 0.7))))
    y = (rng.random(8000) < p).astype(int)
    params = dict(objective="binary", num_leaves=31, learning_rate=0.1, min_data_in_leaf=20, **QUIET)
    booster = lgb.train(params, lgb.Dataset(x[:4000].astype(float), y[:4000]), 60)
    score = booster.predict(x[4000:].astype(float))
    loss = -np.mean(y[4000:] * np.log(score) + (1 - y[4000:]) * np.log(1 - score))
    write("quality.json", dict(nTrain=4000, trees=60, columns=x.T.tolist(), target=y.tolist(),
                               auc=roc_auc_score(y[4000:], score), logLoss=float(loss),
                               bayesAuc=roc_auc_score(y[4000:], p[4000:])))


def consistency():
    """Lundberg, Erion, Lee (arXiv 1802.03888), figure 1: AND of two binary features; the tree is written by hand in the test."""
    from sklearn.tree import DecisionTreeRegressor
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    y = np.array([0, 0, 0, 80.0])
    tree = DecisionTreeRegressor(random_state=0).fit(x, y)
    explainer = shap.TreeExplainer(tree, feature_perturbation="tree_path_dependent")
    write("consistency.json", dict(rows=x.tolist(), contributions=explainer.shap_values(x).tolist(), base=float(np.ravel(explainer.expected_value)[0])))


def linear():
    rng = np.random.default_rng(14)
    x = (rng.normal(size=(300, 5)) * [1, 10, 0.01, 1000, 1] + [0, 5, 0, 1e6, 3]).round(4)
    z = StandardScaler().fit(x)
    logit = z.transform(x) @ [1, -0.5, 0.25, 2, 0] - 0.5
    y = (rng.random(300) < 1 / (1 + np.exp(-logit))).astype(int)
    weights = rng.integers(1, 4, 300)
    logistic = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(z.transform(x), y)
    value = logit + rng.normal(size=300)
    ridge = Ridge(alpha=3.0, solver="cholesky").fit(z.transform(x), value)
    raw = lambda m: dict(weights=(np.ravel(m.coef_) / z.scale_).tolist(), intercept=float(np.ravel(m.intercept_)[0] - np.sum(np.ravel(m.coef_) / z.scale_ * z.mean_)))
    zw = StandardScaler().fit(x, sample_weight=weights)
    weighted = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(zw.transform(x), y, sample_weight=weights)
    rw = dict(weights=(weighted.coef_[0] / zw.scale_).tolist(), intercept=float(weighted.intercept_[0] - np.sum(weighted.coef_[0] / zw.scale_ * zw.mean_)))
    write("linear.json", dict(columns=x.T.tolist(), target=y.tolist(), value=value.tolist(), weights=weights.tolist(),
                              logistic=dict(l2=2, **raw(logistic)), ridge=dict(l2=3, **raw(ridge)), weighted=dict(l2=2, **rw)))


for make in (numeric_with_missing, categories, quality, consistency, linear):
    make()
