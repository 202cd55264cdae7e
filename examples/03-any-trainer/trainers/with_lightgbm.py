"""LightGBM: leaves model.txt."""

import contract as c
import lightgbm as lgb
from sklearn.metrics import roc_auc_score

c.need_binary()
x, y = c.rows("train")
x_validate, y_validate = c.rows("validate")
options = c.PARAMS["params"]
trees = options.get("trees", 100)


def tell(env):
    c.progress((env.iteration + 1) / trees, f"tree {env.iteration + 1} of {trees}")


train = lgb.Dataset(x, y, feature_name=c.NAMES, categorical_feature=c.CATEGORIES)
model = lgb.train(
    {"objective": "binary", "num_leaves": options.get("leaves", 15), "seed": c.PARAMS["seed"], "num_threads": 1, "verbose": -1},
    train,
    trees,
    valid_sets=[lgb.Dataset(x_validate, y_validate, reference=train)],
    callbacks=[tell, lgb.early_stopping(10, verbose=False)],
)
model.save_model(c.output("model.txt"))
scores = model.predict(x_validate)
c.scores(scores)
c.metrics(validationAuc=roc_auc_score(y_validate, scores))
