"""Trains one gradient boosting library on the data of bench/data.

Arguments: library (lightgbm | xgboost | sklearn), folder, trees, leaves, learningRate, bins, minRows; categorical (lightgbm): by feature whether it holds codes.
Emits cpu and wall seconds of binning and training together, and the AUC on the test rows.
"""

from figures import THREADS, arguments, cpu, emit, matrix, target
from sklearn.metrics import roc_auc_score


def lightgbm(a, x, y):
    import lightgbm as lgb

    params = {
        "objective": "binary",
        "num_leaves": a["leaves"],
        "learning_rate": a["learningRate"],
        "max_bin": a["bins"],
        "min_data_in_leaf": a["minRows"],
        "num_threads": THREADS,
        "force_row_wise": True,
        "verbose": -1,
        "seed": 1,
    }
    codes = [j for j, is_category in enumerate(a.get("categorical", [])) if is_category]
    return lambda: lgb.train(params, lgb.Dataset(x, y, categorical_feature=codes), a["trees"]).predict


def xgboost(a, x, y):
    import xgboost as xgb

    params = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": a["leaves"],
        "max_depth": 0,
        "eta": a["learningRate"],
        "max_bin": a["bins"],
        "nthread": THREADS,
        "seed": 1,
    }

    def fit():
        model = xgb.train(params, xgb.QuantileDMatrix(x, y, max_bin=a["bins"], nthread=THREADS), a["trees"])
        return lambda rows: model.predict(xgb.DMatrix(rows))

    return fit


def sklearn(a, x, y):
    from sklearn.ensemble import HistGradientBoostingClassifier

    def fit():
        model = HistGradientBoostingClassifier(
            max_iter=a["trees"],
            max_leaf_nodes=a["leaves"],
            learning_rate=a["learningRate"],
            max_bins=min(a["bins"], 255),
            min_samples_leaf=a["minRows"],
            early_stopping=False,
            random_state=1,
        ).fit(x, y)
        return lambda rows: model.predict_proba(rows)[:, 1]

    return fit


def main():
    a = arguments()
    x, y = matrix(a["folder"], "train"), target(a["folder"], "train")
    fit = {"lightgbm": lightgbm, "xgboost": xgboost, "sklearn": sklearn}[a["library"]](a, x, y)
    with cpu() as spent:
        predict = fit()
    auc = roc_auc_score(target(a["folder"], "test"), predict(matrix(a["folder"], "test")))
    emit(metric="train", auc=auc, **spent)


main()
