"""Makes the fixtures of this folder with LightGBM, SHAP, scikit-learn and PyALE. Run: python generate.py (see SOURCE.md for versions)."""
import json, math, pathlib
import numpy as np
import pandas as pd
import lightgbm as lgb
import shap
from PyALE import ale
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.inspection import partial_dependence, permutation_importance

HERE = pathlib.Path(__file__).parent
QUIET = dict(verbosity=-1, num_threads=1, deterministic=True, seed=1)


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")))


def cells(rows):
    return [[None if np.isnan(x) else float(x) for x in row] for row in rows]


def by_definition(booster, x, background):
    """Shapley values of LightGBM's own raw scores of hybrids with background rows, over all sets: `[outputs, features]`."""
    n = len(x)
    game = []
    for known in range(2 ** n):
        hybrids = background.copy()
        for j in range(n):
            if known >> j & 1:
                hybrids[:, j] = x[j]
        game.append(booster.predict(hybrids, raw_score=True).mean(axis=0))
    values = []
    for i in range(n):
        terms = 0
        for known in range(2 ** n):
            if not known >> i & 1:
                size = bin(known).count("1")
                weight = math.factorial(size) * math.factorial(n - 1 - size) / math.factorial(n)
                terms = terms + weight * (game[known | 1 << i] - game[known])
        values.append(terms)
    return np.atleast_2d(np.array(values).T).tolist(), np.atleast_1d(game[0]).tolist()


def binary():
    rng = np.random.default_rng(21)
    x = rng.normal(size=(1500, 6)).round(3)
    x[rng.random(x.shape) < 0.1] = np.nan
    s = np.nan_to_num(x)
    y = (s[:, 0] * s[:, 1] + s[:, 2] - (s[:, 3] > 0.3) * s[:, 4] + rng.normal(size=1500) > 0).astype(int)
    booster = lgb.train(dict(objective="binary", num_leaves=31, **QUIET), lgb.Dataset(x, y), 20)
    rows, background = x[:25], x[1000:1060]
    by_cover = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    against = shap.TreeExplainer(booster, data=background, feature_perturbation="interventional")
    write("binary.json", dict(
        model=booster.model_to_string(),
        rows=cells(rows),
        background=cells(background),
        interventional=np.asarray(against.shap_values(rows, check_additivity=False)).tolist(),
        interventionalBase=float(np.ravel(against.expected_value)[-1]),
        byDefinition=[by_definition(booster, x, background)[0] for x in rows[:8]],
        interactions=np.asarray(by_cover.shap_interaction_values(rows)).tolist(),
    ))


def classes():
    rng = np.random.default_rng(22)
    x = rng.normal(size=(1200, 4)).round(3)
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * rng.normal(size=1200), [-0.5, 0.7])
    booster = lgb.train(dict(objective="multiclass", num_class=3, num_leaves=15, **QUIET), lgb.Dataset(x, y), 8)
    rows, background = x[:20], x[600:640]
    against = shap.TreeExplainer(booster, data=background, feature_perturbation="interventional")
    contrib = booster.predict(rows, pred_contrib=True).reshape(20, 3, 5)
    write("classes.json", dict(
        model=booster.model_to_string(),
        rows=cells(rows),
        background=cells(background),
        contributions=contrib[:, :, :-1].tolist(),
        base=contrib[0, :, -1].tolist(),
        interventionalSum=np.asarray(against.shap_values(rows, check_additivity=False)).tolist(),
        byDefinition=[by_definition(booster, x, background)[0] for x in rows[:8]],
        definitionBase=by_definition(booster, rows[0], background)[1],
    ))


def tree_arrays(model):
    """Each stage of a gradient boosting of scikit-learn as arrays of nodes."""
    return [dict(
        feature=t.tree_.feature.tolist(), threshold=t.tree_.threshold.tolist(), left=t.tree_.children_left.tolist(),
        right=t.tree_.children_right.tolist(), value=(t.tree_.value[:, 0, 0] * model.learning_rate).tolist(),
        cover=t.tree_.weighted_n_node_samples.tolist(),
    ) for t in model.estimators_[:, 0]]


def effects():
    rng = np.random.default_rng(23)
    x = rng.normal(size=(600, 3)).round(2)
    x[:, 2] = rng.integers(0, 4, 600)
    x = x.astype(np.float32).astype(float)
    y = np.sin(2 * x[:, 0]) + x[:, 0] * x[:, 1] + (x[:, 2] == 2) + 0.1 * rng.normal(size=600)
    model = GradientBoostingRegressor(n_estimators=30, max_depth=4, random_state=3, init="zero").fit(x, y)
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    found = {}
    for j, name in enumerate(["a", "b"]):
        brute = partial_dependence(model, x, [j], method="brute", kind="both", grid_resolution=12)
        recursion = partial_dependence(model, x, [j], method="recursion", grid_resolution=12)
        local = ale(X=frame, model=model, feature=[name], feature_type="continuous", grid_size=10, include_CI=False, plot=False)
        found[name] = dict(
            grid=brute["grid_values"][0].tolist(), brute=brute["average"][0].tolist(), ice=brute["individual"][0][:5].tolist(),
            recursion=recursion["average"][0].tolist(), aleAt=local.index.tolist(), ale=local["eff"].tolist(),
        )
    local = ale(X=frame, model=model, feature=["c"], feature_type="discrete", include_CI=False, plot=False)
    found["c"] = dict(aleAt=[float(v) for v in local.index], ale=local["eff"].tolist())
    shuffled = permutation_importance(model, x, y, scoring="neg_mean_squared_error", n_repeats=400, random_state=5)
    write("effects.json", dict(
        trees=tree_arrays(model), rows=x.tolist(), target=y.tolist(), effects=found,
        importance=shuffled.importances_mean.tolist(), importanceError=(shuffled.importances_std / 20).tolist(),
    ))


if __name__ == "__main__":
    binary()
    classes()
    effects()
