"""A small network of scikit-learn: leaves model.onnx."""

import contract as c
import numpy as np
from skl2onnx import to_onnx
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

c.need_binary()
x, y = c.rows("train")
x_validate, y_validate = c.rows("validate")
network = MLPClassifier((16, 8), max_iter=400, alpha=1.0, random_state=c.PARAMS["seed"])
model = make_pipeline(StandardScaler(), network).fit(x, y.astype(int))
onnx = to_onnx(model, x[:1].astype(np.float32), options={"zipmap": False}, target_opset={"": 15, "ai.onnx.ml": 3})
with open(c.output("model.onnx"), "wb") as file:
    file.write(onnx.SerializeToString())
scores = model.predict_proba(x_validate)[:, 1]
c.scores(scores)
c.metrics(validationAuc=roc_auc_score(y_validate, scores))
