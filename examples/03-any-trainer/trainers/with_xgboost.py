"""XGBoost: leaves model.ubj."""

import contract as c
import xgboost as xgb
from sklearn.metrics import roc_auc_score

c.need_binary()
x, y = c.rows("train")
x_validate, y_validate = c.rows("validate")
options = c.PARAMS["params"]
model = xgb.train(
    {"objective": "binary:logistic", "max_depth": options.get("depth", 4), "eta": 0.1, "seed": c.PARAMS["seed"], "nthread": 1},
    xgb.DMatrix(x, y, feature_names=c.NAMES),
    options.get("trees", 60),
)
model.save_model(c.output("model.ubj"))
scores = model.predict(xgb.DMatrix(x_validate, feature_names=c.NAMES))
c.scores(scores)
c.metrics(validationAuc=roc_auc_score(y_validate, scores))
