"""scikit-learn: leaves model.onnx, written by skl2onnx."""

import contract as c
import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score

c.need_binary()
x, y = c.rows("train")
x_validate, y_validate = c.rows("validate")
if np.isnan(x).any():
    raise SystemExit("GradientBoostingClassifier takes no missing values: fill them by features, or use another trainer")
model = GradientBoostingClassifier(random_state=c.PARAMS["seed"], n_estimators=c.PARAMS["params"].get("trees", 60)).fit(x, y.astype(int))
onnx = to_onnx(model, x[:1].astype(np.float32), options={"zipmap": False}, target_opset={"": 15, "ai.onnx.ml": 3})
with open(c.output("model.onnx"), "wb") as file:
    file.write(onnx.SerializeToString())
scores = model.predict_proba(x_validate)[:, 1]
c.scores(scores)
c.metrics(validationAuc=roc_auc_score(y_validate, scores))
