"""Makes deep.json with LightGBM. Run: python deep.py (see SOURCE.md for versions)."""
import json, pathlib
import numpy as np
import lightgbm as lgb

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(11)
x = np.round(rng.normal(size=(4000, 22)), 2)
x[rng.random(x.shape) < 0.02] = np.nan
met = np.nan_to_num(x) > -1.2  # how many features in a row are met: a chain of splits
y = np.cumprod(met, axis=1).sum(axis=1) * 1.0 + rng.normal(size=4000) / 10
params = dict(objective="regression", num_leaves=70, min_data_in_leaf=3, learning_rate=0.3, verbosity=-1, num_threads=1, deterministic=True, seed=1, max_depth=-1)
model = lgb.train(params, lgb.Dataset(x, y), 4)


def longest(node, path=frozenset()):
    if "leaf_value" in node:
        return len(path)
    below = path | {node["split_feature"]}
    return max(longest(node["left_child"], below), longest(node["right_child"], below))


rows = x[:40]
contributions = model.predict(rows, pred_contrib=True)
out = dict(
    model=model.model_to_string(),
    longest=max(longest(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]),
    rows=[[None if np.isnan(v) else float(v) for v in row] for row in rows],
    contributions=contributions[:, :-1].tolist(),
    base=contributions[0, -1],
)
(HERE / "deep.json").write_text(json.dumps(out, separators=(",", ":")))
print(out["longest"], len((HERE / "deep.json").read_text()))
