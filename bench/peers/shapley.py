"""Explains rows of one model with one library.

Arguments: library (lightgbm | shap | fasttreeshap), model (LightGBM text), folder, rows, background, seeRows.
Emits path (CPU seconds, path dependent), interventional (shap: against background rows; over `seeRows` rows), and values of the first rows for comparison.
"""

import numpy as np
from figures import THREADS, arguments, cpu, emit, matrix

a = arguments()
x = np.ascontiguousarray(matrix(a["folder"], "test")[: a["rows"]], dtype=np.float64)
import lightgbm as lgb

booster = lgb.Booster(model_file=a["model"], params={"num_threads": THREADS})
if a["library"] == "lightgbm":
    with cpu() as spent:
        values = booster.predict(x, pred_contrib=True, num_threads=THREADS)
    emit(path=spent["cpu"], first=values[: a["seeRows"], :-1].tolist())
elif a["library"] == "fasttreeshap":
    import fasttreeshap

    # without `shortcut`, which would ask LightGBM
    explainer = fasttreeshap.TreeExplainer(booster, algorithm="v2", n_jobs=THREADS, feature_perturbation="tree_path_dependent")
    with cpu() as spent:
        values = explainer.shap_values(x, check_additivity=False)
    emit(path=spent["cpu"], first=np.asarray(values)[: a["seeRows"]].tolist())
else:
    import shap

    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    with cpu() as spent:
        values = explainer.shap_values(x, check_additivity=False)
    against = shap.TreeExplainer(booster, data=x[: a["background"]], feature_perturbation="interventional")
    few = x[: a["seeRows"]]
    with cpu() as behind:
        against.shap_values(few, check_additivity=False)
    emit(path=spent["cpu"], interventional=behind["cpu"], first=np.asarray(values)[: a["seeRows"]].tolist())
