"""Small models made by other libraries, with the predictions those libraries give for them.

python generate.py            all of today's libraries (versions in SOURCE.md)
python generate.py old        the library of an older version that is on PYTHONPATH

A model is `<name>.<ending>.gz`; `<name>.answers.json.gz` has the rows (null is missing), the raw scores and the outputs, row-major by output.
"""

import gzip
import json
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
HERE = __file__.rsplit("/", 1)[0]
COLORS = ["amber", "blue", "coral", "drab", "ecru", "fawn", "green"]
CITIES = [f"city {i:03d}" for i in range(45)]


def write(name, data):
    with open(f"{HERE}/{name}.gz", "wb") as f:
        f.write(gzip.compress(data, 9, mtime=0))


def plain(values):
    flat = np.asarray(values, dtype=np.float64).ravel()
    return [None if np.isnan(x) else ("inf" if x == np.inf else "-inf" if x == -np.inf else float(x)) for x in flat]


def emit(name, ending, model, rows, raw, output, **more):
    write(f"{name}.{ending}", model if isinstance(model, bytes) else model.encode())
    rows = np.asarray(rows, dtype=np.float64)
    record = {"nFeatures": rows.shape[1], "rows": plain(rows), "raw": plain(raw), "output": plain(output), **more}
    write(f"{name}.answers.json", json.dumps(record).encode())
    print(name, len(model))


def numbers(seed, n, missing=0.12, zeros=0.15):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) * [1, 3, 0.01, 1000, 1, 1]
    x[:, 4] = np.round(x[:, 4] * 2)
    x[rng.random(x.shape) < zeros] = 0
    x[rng.random(x.shape) < missing] = np.nan
    filled = np.nan_to_num(x)
    score = filled[:, 0] + 0.4 * filled[:, 1] * (filled[:, 4] > 0) - np.isnan(x[:, 1]) + 0.001 * filled[:, 3]
    return x, score + rng.normal(size=n) * 0.5


def asked(x):
    """Rows of the training set (their values are thresholds), and odd ones."""
    some = x[:70].copy()
    edge = np.array([[np.nan] * 6, [0.0] * 6, [-0.0] * 6, [1e30] * 6, [-1e30] * 6, [1e-36] * 6, [-1e-36] * 6, [np.inf] * 6, [-np.inf] * 6])
    near = np.nextafter(x[:10], np.inf)
    return np.vstack([some, edge, near])


def categories(seed, n):
    rng = np.random.default_rng(seed)
    color = rng.integers(0, len(COLORS), n).astype(float)
    city = np.floor(rng.beta(1, 3, n) * len(CITIES))
    x = rng.normal(size=n)
    effect = rng.normal(size=len(CITIES))
    y = effect[city.astype(int)] + (color % 3) + 0.5 * x + rng.normal(size=n) * 0.3
    color[rng.random(n) < 0.08] = np.nan
    city[rng.random(n) < 0.08] = np.nan
    return np.stack([color, city, x], 1), y


def asked_categories(x, unseen=True):
    odd = [[np.nan] * 3, [6, 44, 0.1]]
    if unseen:
        odd += [[7, 45, 0], [31, 32, 1], [63, 64, 2], [1000, 100000, 3]]
    return np.vstack([x[:60], odd])


def frame(x):
    import pandas as pd

    def cat(codes, names):
        return pd.Categorical.from_codes([-1 if np.isnan(c) else int(c) for c in codes], categories=names)

    return pd.DataFrame({"color": cat(x[:, 0], COLORS), "city": cat(x[:, 1], CITIES), "size": x[:, 2]})


# ---------------------------------------------------------------- LightGBM


def lightgbm(prefix):
    import lightgbm as lgb

    base = {"num_leaves": 12, "min_data_in_leaf": 10, "verbose": -1, "seed": 1, "deterministic": True, "num_threads": 1}
    x, score = numbers(1, 800)
    rows = asked(x)

    def one(name, params, y, rounds=12, data=x, ask=rows, weight=None, group=None, **more):
        train = lgb.Dataset(data, label=y, weight=weight, group=None if group is None else np.array(group, np.int32), **more)
        model = lgb.train({**base, **params}, train, rounds)
        emit(f"{prefix}-{name}", "txt", model.model_to_string(), ask, model.predict(ask, raw_score=True), model.predict(ask))
        return model

    binary = (score > 0).astype(int)
    third = np.digitize(score, [-1, 1])
    one("binary", {"objective": "binary"}, binary)
    one("sigmoid2", {"objective": "binary", "sigmoid": 0.7}, binary)
    one("multiclass", {"objective": "multiclass", "num_class": 3}, third, 8)
    one("ova", {"objective": "multiclassova", "num_class": 3, "sigmoid": 2.0}, third, 8)
    one("regression", {"objective": "regression"}, score)
    one("quantile", {"objective": "quantile", "alpha": 0.9}, score)
    one("l1", {"objective": "regression_l1"}, score)
    one("poisson", {"objective": "poisson"}, np.floor(np.exp(score / 3)))
    one("cross-entropy", {"objective": "cross_entropy"}, 1 / (1 + np.exp(-score)))
    one("rank", {"objective": "lambdarank"}, np.clip(np.round(score), 0, 4), group=[20] * 40)
    one("zero-missing", {"objective": "regression", "zero_as_missing": True}, score)
    one("no-missing", {"objective": "regression", "use_missing": False}, score)
    one("rf", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, binary)
    one("dart", {"objective": "binary", "boosting": "dart", "drop_rate": 0.5, "skip_drop": 0.1}, binary, 20)
    if prefix == "lightgbm":
        one("gamma", {"objective": "gamma"}, np.exp(score / 3))
        one("tweedie", {"objective": "tweedie"}, np.floor(np.exp(score / 3)))
        one("cross-entropy-lambda", {"objective": "cross_entropy_lambda"}, 1 / (1 + np.exp(-score)))
        one("xendcg", {"objective": "rank_xendcg"}, np.clip(np.round(score), 0, 4), group=[20] * 40)
        one("huber", {"objective": "huber"}, score)
        one("mape", {"objective": "mape"}, np.abs(score) + 1)
        linear = lgb.train({**base, "objective": "regression", "linear_tree": True}, lgb.Dataset(np.nan_to_num(x), label=score), 3)
        write("lightgbm-linear-tree.txt", linear.model_to_string().encode())
        sqrt = lgb.train({**base, "objective": "regression", "reg_sqrt": True}, lgb.Dataset(x, label=score), 3)
        write("lightgbm-sqrt.txt", sqrt.model_to_string().encode())
    cx, cy = categories(2, 900)
    ask = asked_categories(cx)
    one("categories", {"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 4}, cy, data=cx, ask=ask, categorical_feature=[0, 1], feature_name=["color", "city", "size"])
    if prefix == "lightgbm":
        named = lgb.train({**base, "objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, lgb.Dataset(frame(cx), label=cy), 12)
        ask = asked_categories(cx, unseen=False)
        emit("lightgbm-pandas", "txt", named.model_to_string(), ask, named.predict(frame(ask), raw_score=True), named.predict(frame(ask)), names=["color", "city", "size"], categories={"color": COLORS, "city": CITIES})


# ---------------------------------------------------------------- XGBoost


def xgboost(prefix):
    import xgboost as xgb

    version = tuple(int(v) for v in xgb.__version__.split(".")[:2])
    base = {"max_depth": 4, "eta": 0.3, "seed": 1, "nthread": 1, "verbosity": 0}
    x, score = numbers(3, 800)
    rows = asked(x)
    rows = rows[~np.isinf(rows).any(axis=1)]
    names = ["age", "income", "rate", "amount", "visits", "noise"]

    def save(model, name, ask, matrix, ubj=False, ending="json", **more):
        raw = model.predict(matrix, output_margin=True)
        output = model.predict(matrix)
        path = f"/tmp/model-{prefix}.{ending}"
        model.save_model(path)
        with open(path, "rb") as f:
            emit(name, ending, f.read(), ask, raw, output, **more)

    def one(name, params, y, rounds=12, data=x, ask=rows, ending="json", group=None, weight=None, **more):
        train = xgb.DMatrix(data, label=y, weight=weight, **more)
        if group:
            train.set_group(group)
        model = xgb.train({**base, **params}, train, rounds)
        save(model, f"{prefix}-{name}", ask, xgb.DMatrix(ask, **more), ending=ending)
        return model

    binary = (score > 0).astype(int)
    third = np.digitize(score, [-1, 1])
    ubj = "ubj" if version >= (1, 6) else "json"
    one("binary", {"objective": "binary:logistic"}, binary, 30, feature_names=names)
    one("base-score", {"objective": "binary:logistic", "base_score": 0.3}, binary, ending=ubj)
    one("regression", {"objective": "reg:squarederror"}, score, 20, ending=ubj)
    one("softprob", {"objective": "multi:softprob", "num_class": 3}, third, 6)
    one("softprob-forest", {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2, "subsample": 0.6, "eta": 0.5}, third, 4, ending=ubj)
    one("dart", {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.4, "skip_drop": 0.2}, binary, 15)
    one("rank", {"objective": "rank:ndcg"}, np.clip(np.round(score), 0, 4), group=[20] * 40)
    one("poisson", {"objective": "count:poisson"}, np.floor(np.exp(score / 3)))
    one("tweedie", {"objective": "reg:tweedie"}, np.floor(np.exp(score / 3)))
    one("gamma", {"objective": "reg:gamma"}, np.exp(score / 3), ending=ubj)
    filled = np.nan_to_num(x)
    scaled = filled / [1, 3, 0.01, 1000, 1, 1]
    linear_rows = (np.nan_to_num(rows) / [1, 3, 0.01, 1000, 1, 1])[:70]
    linear_rows[3, 2] = np.nan
    one("linear", {"objective": "binary:logistic", "booster": "gblinear", "updater": "coord_descent"}, binary, data=scaled, ask=linear_rows)
    one("linear-softprob", {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear"}, third, data=scaled, ask=linear_rows, ending=ubj)
    if version < (1, 6):
        return
    cx, cy = categories(4, 900)
    ask = asked_categories(cx)
    kinds = {"enable_categorical": True, "feature_types": ["c", "c", "float"]}
    for name, params in {"onehot": {"max_cat_to_onehot": 100}, "sets": {"max_cat_to_onehot": 1}}.items():
        if version < (2, 0) and name == "sets":
            params = {**params, "max_cat_threshold": 64}
        one(f"categories-{name}", {"objective": "reg:squarederror", "tree_method": "hist", **params}, cy, data=cx, ask=ask, **kinds)
    if version < (3, 0):
        return
    one("rank-pairwise", {"objective": "rank:pairwise"}, np.clip(np.round(score), 0, 4), group=[20] * 40)
    one("logitraw", {"objective": "binary:logitraw"}, binary)
    one("squaredlog", {"objective": "reg:squaredlogerror"}, np.exp(score / 3))
    one("absolute", {"objective": "reg:absoluteerror"}, score)
    one("aft", {"objective": "reg:pseudohubererror"}, score)
    one("quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, score, 6)
    pairs = np.stack([score, np.nan_to_num(x[:, 0]) - score], 1)
    one("two-targets", {"objective": "reg:squarederror"}, pairs, 6)
    one("vector-leaves", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree", "tree_method": "hist"}, pairs, 6)
    one("labels", {"objective": "binary:logistic"}, (pairs > 0).astype(int), 6)
    one("hinge", {"objective": "binary:hinge"}, binary, 3)
    ask = asked_categories(cx, unseen=False)
    model = xgb.train({**base, "objective": "reg:squarederror", "tree_method": "hist"}, xgb.DMatrix(frame(cx), label=cy, enable_categorical=True), 12)
    save(model, f"{prefix}-pandas", ask, xgb.DMatrix(frame(ask), enable_categorical=True), names=["color", "city", "size"], categories={"color": COLORS, "city": CITIES})


# ---------------------------------------------------------------- scikit-learn and others by ONNX


def onnx_models():
    import onnxruntime as ort
    import onnx.helper
    from skl2onnx import to_onnx

    # Converters hand over arrays and truth values of numpy, which today's protobuf refuses.
    made = onnx.helper.make_attribute

    def attribute(key, value, *rest, **more):
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if isinstance(value, list):
            value = [int(v) if isinstance(v, (bool, np.bool_, np.integer)) else v for v in value]
        return made(key, value, *rest, **more)

    onnx.helper.make_attribute = attribute
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    x, score = numbers(5, 600)
    holes = x.astype(np.float32)
    filled = np.nan_to_num(holes)
    ask = np.nan_to_num(asked(x)[:80].astype(np.float32), posinf=1e30, neginf=-1e30)
    ask_holes = asked(x).astype(np.float32)
    ask_holes = ask_holes[~np.isinf(ask_holes).any(axis=1)]
    binary = (score > 0).astype(int)
    third = np.digitize(score, [-1, 1])
    words = np.array(["low", "middle", "high"])[third]

    def run(data, rows):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return session.run(None, {name: np.asarray(rows, np.float32)})

    def record(name, data, rows, peer):
        answers = run(data, rows)
        # One row at a time: a batch is summed by several trees at once where there are enough rows.
        last = np.concatenate([np.asarray(run(data, rows[i : i + 1])[-1]) for i in range(len(rows))])
        emit(f"onnx-{name}", "onnx", data, rows, peer, last, classes=sorted(set(np.asarray(answers[0]).tolist())) if len(answers) == 2 else None)

    def one(name, model, y, data=filled, rows=ask, **options):
        model.fit(data, y)
        zipmap = {"options": {id(model): {"zipmap": False}}} if hasattr(model, "predict_proba") else {}
        onx = to_onnx(model, data[:1], target_opset={"": 18, "ai.onnx.ml": 3}, **zipmap, **options)
        peer = model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)
        record(name, onx.SerializeToString(), rows, peer)

    few = {"random_state": 1}
    one("tree-binary", DecisionTreeClassifier(max_depth=5, **few), binary)
    one("tree-words", DecisionTreeClassifier(max_depth=5, **few), words)
    one("tree-regression", DecisionTreeRegressor(max_depth=5, **few), score)
    one("forest-binary", RandomForestClassifier(8, max_depth=5, **few), binary)
    one("forest-multi", RandomForestClassifier(8, max_depth=5, **few), third)
    one("forest-regression", RandomForestRegressor(8, max_depth=5, **few), score)
    one("extra-binary", ExtraTreesClassifier(8, max_depth=5, **few), binary)
    one("extra-regression", ExtraTreesRegressor(8, max_depth=5, **few), score)
    one("gb-binary", GradientBoostingClassifier(n_estimators=12, max_depth=3, **few), binary)
    one("gb-multi", GradientBoostingClassifier(n_estimators=6, max_depth=3, **few), third)
    one("gb-regression", GradientBoostingRegressor(n_estimators=12, max_depth=3, **few), score)
    one("hist-binary", HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=10, **few), binary, holes, ask_holes)
    one("hist-multi", HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=10, **few), third, holes, ask_holes)
    one("hist-regression", HistGradientBoostingRegressor(max_iter=12, max_leaf_nodes=10, **few), score, holes, ask_holes)
    one("pipeline-imputed", make_pipeline(SimpleImputer(), StandardScaler(), GradientBoostingRegressor(n_estimators=8, max_depth=3, **few)), score, holes, ask_holes)
    one("pipeline-scaled", make_pipeline(MinMaxScaler(), RandomForestRegressor(6, max_depth=4, **few)), score)
    one("linear", LinearRegression(), score)
    one("logistic", LogisticRegression(max_iter=500), binary, filled / np.float32([1, 3, 0.01, 1000, 1, 1]), ask / np.float32([1, 3, 0.01, 1000, 1, 1]))
    one("logistic-multi", LogisticRegression(max_iter=500), third, filled / np.float32([1, 3, 0.01, 1000, 1, 1]), ask / np.float32([1, 3, 0.01, 1000, 1, 1]))

    zipped = to_onnx(RandomForestClassifier(4, max_depth=3, **few).fit(filled, words), filled[:1], target_opset={"": 18, "ai.onnx.ml": 3})
    write("onnx-zipmap.onnx", zipped.SerializeToString())
    from sklearn.neighbors import KNeighborsClassifier

    other = to_onnx(KNeighborsClassifier(3).fit(filled[:50], binary[:50]), filled[:1], target_opset={"": 18, "ai.onnx.ml": 3})
    write("onnx-neighbours.onnx", other.SerializeToString())

    import lightgbm as lgb
    import xgboost as xgb
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats

    kind = [("x", Floats([None, 6]))]
    booster = lgb.LGBMClassifier(n_estimators=8, num_leaves=8, verbose=-1, n_jobs=1).fit(holes, binary)
    record("of-lightgbm-binary", convert_lightgbm(booster, initial_types=kind, zipmap=False, target_opset=15).SerializeToString(), ask_holes, booster.predict_proba(ask_holes))
    booster = lgb.LGBMClassifier(n_estimators=5, num_leaves=8, verbose=-1, n_jobs=1).fit(holes, third)
    record("of-lightgbm-multi", convert_lightgbm(booster, initial_types=kind, zipmap=False, target_opset=15).SerializeToString(), ask_holes, booster.predict_proba(ask_holes))
    booster = lgb.LGBMRegressor(n_estimators=8, num_leaves=8, verbose=-1, n_jobs=1).fit(holes, score)
    record("of-lightgbm-regression", convert_lightgbm(booster, initial_types=kind, target_opset=15).SerializeToString(), ask_holes, booster.predict(ask_holes))
    cx, cy = categories(6, 700)
    cx32 = cx.astype(np.float32)
    booster = lgb.LGBMRegressor(n_estimators=6, num_leaves=8, verbose=-1, n_jobs=1, min_data_per_group=5, cat_smooth=1).fit(cx32, cy, categorical_feature=[0, 1])
    rows = cx32[:60][~np.isnan(cx32[:60]).any(axis=1)]
    record("of-lightgbm-categories", convert_lightgbm(booster, initial_types=[("x", Floats([None, 3]))], target_opset=15).SerializeToString(), rows, booster.predict(rows))
    for name, make, y in (("binary", xgb.XGBClassifier, binary), ("multi", xgb.XGBClassifier, third), ("regression", xgb.XGBRegressor, score)):
        booster = make(n_estimators=6, max_depth=3, n_jobs=1).fit(holes, y)
        peer = booster.predict(ask_holes, output_margin=True) if name == "regression" else booster.predict_proba(ask_holes)
        try:
            data = convert_xgboost(booster, initial_types=kind, target_opset=15).SerializeToString()
        except Exception as error:  # the converter does not know every version
            print("skipped", name, str(error)[:200])
            continue
        record(f"of-xgboost-{name}", data, ask_holes, peer)


def onnx_modes():
    """Random trees with every mode of a branch, which no converter writes together."""
    import onnxruntime as ort
    from onnx import TensorProto as T
    from onnx import helper as h
    from onnx import numpy_helper as nh

    rng = np.random.default_rng(7)
    marks = np.array([0.0, 1.0, 2.0, 3.0, 0.5, -1.5, 1e-3, 0.1, -2.0])
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]

    def grow(nodes, depth, kinds, dtype):
        at = len(nodes)
        nodes.append(None)
        if depth == 0 or rng.random() < 0.15:
            nodes[at] = ("LEAF", 0, 0.0, 0, 0, 0, float(dtype(rng.normal())))
            return at
        kind = kinds[rng.integers(len(kinds))]
        value = float(dtype(rng.choice(marks)))
        yes = grow(nodes, depth - 1, kinds, dtype)
        no = grow(nodes, depth - 1, kinds, dtype)
        nodes[at] = (kind, int(rng.integers(4)), value, yes, no, int(rng.random() < 0.4), 0.0)
        return at

    def rows_of(dtype):
        rows = rng.choice(np.concatenate([marks, [np.nan, 5.0, -9.0, 0.3]]), size=(120, 4)).astype(dtype)
        rows[:20] = np.nextafter(rows[:20], dtype(9))
        rows[20:40] = np.nextafter(rows[20:40], dtype(-9))
        rows[0] = np.inf
        rows[1] = -np.inf
        return rows

    def run(graph, rows, opset):
        model = h.make_model(graph, opset_imports=[h.make_opsetid("", 18), h.make_opsetid("ai.onnx.ml", opset)], ir_version=9)
        data = model.SerializeToString()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return data, np.concatenate([session.run(None, {"x": rows[i : i + 1]})[0] for i in range(len(rows))])

    def three(name, dtype, aggregate, post, base, outputs):
        lists = {key: [] for key in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing")}
        leaves = []
        for t in range(9):
            nodes = []
            grow(nodes, 4, modes, dtype)
            for i, (kind, feature, value, yes, no, missing, leaf) in enumerate(nodes):
                for key, one in zip(lists, (t, i, feature, kind, value, yes, no, missing)):
                    lists[key].append(one)
                if kind == "LEAF":
                    leaves += [(t, i, k, leaf * (k + 1)) for k in range(outputs)]
        given = {
            "n_targets": outputs, "aggregate_function": aggregate, "post_transform": post,
            "nodes_treeids": lists["treeids"], "nodes_nodeids": lists["nodeids"], "nodes_featureids": lists["featureids"],
            "nodes_modes": lists["modes"], "nodes_truenodeids": lists["truenodeids"], "nodes_falsenodeids": lists["falsenodeids"],
            "nodes_missing_value_tracks_true": lists["missing"],
            "target_treeids": [v[0] for v in leaves], "target_nodeids": [v[1] for v in leaves], "target_ids": [v[2] for v in leaves],
        }
        weights = [v[3] for v in leaves]
        if dtype == np.float64:
            tensor = lambda key, values: nh.from_array(np.array(values, np.float64), key)
            given |= {"nodes_values_as_tensor": tensor("nv", lists["values"]), "target_weights_as_tensor": tensor("tw", weights)}
            if base:
                given["base_values_as_tensor"] = tensor("bv", base)
        else:
            given |= {"nodes_values": lists["values"], "target_weights": weights}
            if base:
                given["base_values"] = base
        node = h.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **given)
        kind = T.DOUBLE if dtype == np.float64 else T.FLOAT
        graph = h.make_graph([node], "modes", [h.make_tensor_value_info("x", kind, [None, 4])], [h.make_tensor_value_info("y", T.FLOAT, [None, outputs])])
        rows = rows_of(dtype)
        data, output = run(graph, rows, 3)
        emit(f"onnx-modes-{name}", "onnx", data, rows, output, output)

    three("sum", np.float32, "SUM", "NONE", [0.3], 1)
    three("average", np.float32, "AVERAGE", "NONE", [0.3], 1)
    three("three-outputs", np.float32, "SUM", "SOFTMAX", [0.1, 0.2, 0.3], 3)
    three("logistic", np.float32, "SUM", "LOGISTIC", None, 1)
    three("double", np.float64, "SUM", "NONE", [0.3], 1)

    def five(name, kinds, depth_max, n_trees):
        """ai.onnx.ml 5: splits and leaves apart, and membership."""
        splits, leaves, members, roots = [], [], [], []

        def grow5(depth):
            if depth == 0 or (depth < depth_max and rng.random() < 0.15):
                leaves.append(float(np.float32(rng.normal())))
                return len(leaves) - 1, 1
            at = len(splits)
            splits.append(None)
            mode = int(rng.choice(kinds))
            if mode == 6:
                own = rng.choice([0, 1, 2, 3, 7, 40], size=3, replace=False)
            yes, yes_leaf = grow5(depth - 1)
            no, no_leaf = grow5(depth - 1)
            splits[at] = (mode, int(rng.integers(4)), float(np.float32(rng.choice(marks))), yes, no, yes_leaf, no_leaf, int(rng.random() < 0.4), list(own) if mode == 6 else [])
            return at, 0

        for _ in range(n_trees):
            roots.append(grow5(depth_max)[0])
        for split in splits:
            if split[0] == 6:
                members += [float(v) for v in split[8]] + [np.nan]
        column = lambda i: [split[i] for split in splits]
        node = h.make_node(
            "TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0, tree_roots=roots,
            nodes_modes=nh.from_array(np.array(column(0), np.uint8), "m"), nodes_featureids=column(1), nodes_splits=nh.from_array(np.array(column(2), np.float32), "s"),
            nodes_truenodeids=column(3), nodes_falsenodeids=column(4), nodes_trueleafs=column(5), nodes_falseleafs=column(6), nodes_missing_value_tracks_true=column(7),
            leaf_targetids=[0] * len(leaves), leaf_weights=nh.from_array(np.array(leaves, np.float32), "w"), membership_values=nh.from_array(np.array(members, np.float32), "v"),
        )
        graph = h.make_graph([node], "five", [h.make_tensor_value_info("x", T.FLOAT, [None, 4])], [h.make_tensor_value_info("y", T.FLOAT, [None, 1])])
        rows = rows_of(np.float32)
        if 6 in kinds:  # ONNX Runtime cuts a number to an integer before it looks for it among members; the standard does not.
            rows = rng.choice([0, 1, 2, 3, 7, 40, 41, np.nan, -1], size=(120, 4)).astype(np.float32)
        data, output = run(graph, rows, 5)
        emit(f"onnx-modes-{name}", "onnx", data, rows, output, output)

    five("five", [0, 1, 2, 3, 4, 5], 4, 7)
    five("five-members", [0, 1, 2, 3, 4, 5, 6, 6, 6], 4, 7)


def exported():
    """What LightGBM answers for models that Millrace wrote (`exported.mjs`)."""
    import lightgbm as lgb

    cx, _ = categories(4, 900)
    few = [0, 1, 2, 0.5, -1.5, np.nan, 3, 31, 32, 63, 64, 70, -1, 2.5]
    grid = np.random.default_rng(8).choice(few, size=(120, 4))
    grid[:, :2] = np.floor(grid[:, :2])  # LightGBM cuts a code to an integer; codes of ours are integers
    x, _ = numbers(1, 800)
    for name, rows in {"random": grid, "multiclass": asked(x), "xgboost": asked_categories(cx), "zero-missing": asked(x)}.items():
        with open(f"{HERE}/exported-{name}.txt.gz", "rb") as f:
            text = gzip.decompress(f.read()).decode()
        model = lgb.Booster(model_str=text)
        emit(f"exported-{name}", "txt", text, rows, model.predict(rows, raw_score=True), model.predict(rows))


def shared(folder):
    """Models of published data: LightGBM's own example by its configuration (fewer trees), and mushrooms by XGBoost's."""
    import lightgbm as lgb
    import xgboost as xgb

    with gzip.open(f"{folder}/lightgbm-binary/binary.train.gz") as f:
        train = np.loadtxt(f)
    test = np.loadtxt(f"{folder}/lightgbm-binary/binary.test")[:80, 1:]
    given = {"objective": "binary", "num_leaves": 63, "learning_rate": 0.1, "feature_fraction": 0.8, "bagging_freq": 5, "bagging_fraction": 0.8, "min_data_in_leaf": 50, "min_sum_hessian_in_leaf": 5.0, "verbose": -1, "num_threads": 1, "seed": 1}
    model = lgb.train(given, lgb.Dataset(train[:, 1:], label=train[:, 0]), 25)
    emit("lightgbm-example", "txt", model.model_to_string(), test, model.predict(test, raw_score=True), model.predict(test))

    def mushrooms(lines):
        rows, labels = np.full((len(lines), 127), np.nan), np.zeros(len(lines))
        for i, line in enumerate(lines):
            label, *pairs = line.split()
            labels[i] = float(label)
            for pair in pairs:
                at, value = pair.split(":")
                rows[i, int(at)] = float(value)
        return rows, labels

    with gzip.open(f"{folder}/xgboost-agaricus/agaricus.txt.train.gz", "rt") as f:
        rows, labels = mushrooms(f.read().splitlines())
    with open(f"{folder}/xgboost-agaricus/agaricus.txt.test") as f:
        ask, _ = mushrooms(f.read().splitlines()[:80])
    model = xgb.train({"objective": "binary:logistic", "max_depth": 3, "eta": 1.0, "gamma": 1.0, "min_child_weight": 1}, xgb.DMatrix(rows, label=labels), 6)
    data = xgb.DMatrix(ask)
    emit("xgboost-mushrooms", "json", bytes(model.save_raw("json")), ask, model.predict(data, output_margin=True), model.predict(data))


if __name__ == "__main__":
    if "old" in sys.argv:
        try:
            import lightgbm as old

            print("lightgbm", old.__version__)
        except ImportError:
            old = None
        which = sys.argv[sys.argv.index("old") + 1]
        (lightgbm if which.startswith("lightgbm") else xgboost)(which)
    elif "shared" in sys.argv:
        shared(sys.argv[-1])
    elif "exported" in sys.argv:
        exported()
    else:
        lightgbm("lightgbm")
        xgboost("xgboost")
        onnx_models()
        onnx_modes()
