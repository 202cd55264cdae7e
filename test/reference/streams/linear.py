"""Records elastic-net fits of scikit-learn. Run: python linear.py (see SOURCE.md for versions).

Weights are given in raw units, and penalties as `sum of losses + l1 |w| + l2 / 2 |w|^2` on standardised features, whatever the estimator's own convention.
"""
import json, pathlib
import numpy as np
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor, enet_path
from sklearn.preprocessing import StandardScaler, OneHotEncoder

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(21)
n = 300
x = np.column_stack([rng.normal(5, 2, n), rng.normal(size=n), rng.exponential(3, n), rng.normal(100, 30, n), rng.normal(size=n), rng.integers(0, 2, n)]).round(4)
x[:, 4] = (x[:, 4] + 0.7 * x[:, 1]).round(4)
weights = rng.uniform(0.2, 3, n).round(3)
s = StandardScaler().fit(x)
z = s.transform(x)
sw = StandardScaler().fit(x, sample_weight=weights)
zw = sw.transform(x)
signal = 0.8 * z[:, 0] - 0.5 * z[:, 1] + 0.3 * z[:, 2]
value = (7 + 3 * signal + rng.normal(size=n)).round(4)
label = (rng.random(n) < 1 / (1 + np.exp(-signal))).astype(int)
count = rng.poisson(np.exp(0.5 + 0.5 * signal))
scores = np.column_stack([signal, -z[:, 1], 0.5 * z[:, 4] - 0.3])
klass = np.array([rng.choice(3, p=np.exp(r) / np.exp(r).sum()) for r in scores])
city = rng.integers(0, 4, n)
label2 = (rng.random(n) < 1 / (1 + np.exp(-(signal + np.array([1, -1, 0.5, 0])[city])))).astype(int)


def raw(coef, intercept, scaler):
    w = np.atleast_2d(coef) / scaler.scale_
    return dict(weights=w.tolist(), intercepts=(np.atleast_1d(intercept) - w @ scaler.mean_).tolist())


def elastic(l1, l2, sample=None):
    zz, sc, total = (z, s, n) if sample is None else (zw, sw, sample.sum())
    alpha = (l1 + l2) / total
    m = ElasticNet(alpha=alpha, l1_ratio=l1 / (l1 + l2), tol=1e-14, max_iter=1_000_000).fit(zz, value, sample_weight=sample)
    return dict(l1=l1, l2=l2, **raw(m.coef_, m.intercept_, sc))


def logistic(l1, l2, target=label, sample=None, xs=None):
    zz, sc = (z, s) if sample is None else (zw, sw)
    zz = zz if xs is None else xs
    total = l1 + l2
    kind = dict(C=1 / total, l1_ratio=l1 / total) if total > 0 else dict(C=np.inf)
    m = LogisticRegression(solver="saga", tol=1e-13, max_iter=500_000, **kind).fit(zz, target, sample_weight=sample)
    out = dict(l1=l1, l2=l2)
    return dict(**out, **raw(m.coef_, m.intercept_, sc)) if xs is None else dict(**out, coef=m.coef_.tolist(), intercept=m.intercept_.tolist())


def multinomial(l1, l2):
    m = LogisticRegression(solver="saga", C=1 / (l1 + l2), l1_ratio=l1 / (l1 + l2), tol=1e-13, max_iter=500_000).fit(z, klass)
    r = raw(m.coef_, m.intercept_, s)
    return dict(l1=l1, l2=l2, **r, probabilities=m.predict_proba(z[:20]).tolist())


def poisson(l2):
    m = PoissonRegressor(alpha=l2 / n, solver="newton-cholesky", tol=1e-12, max_iter=10_000).fit(z, count)
    return dict(l1=0, l2=l2, **raw(m.coef_, m.intercept_, s))


def one_hot(l2):
    """Categories as one column each, divided by their deviation and not centred, as the intercept takes that up."""
    hot = OneHotEncoder(sparse_output=False).fit_transform(city[:, None])
    hot = hot / hot.std(axis=0)
    m = LogisticRegression(solver="newton-cholesky", C=1 / l2, tol=1e-13, max_iter=10_000).fit(np.hstack([z, hot]), label2)
    return dict(l2=l2, log_odds=m.decision_function(np.hstack([z, hot]))[:40].tolist())


def path():
    """scikit-learn's own path, from the strength at which all weights are 0."""
    alphas, coefs, _ = enet_path(z, value - value.mean(), l1_ratio=0.5, n_alphas=8, eps=0.01, tol=1e-14, max_iter=1_000_000)
    return dict(alphas=alphas.tolist(), coefs=coefs.T.tolist())


fixture = dict(
    columns=x.T.tolist(), weights=weights.tolist(), value=value.tolist(), label=label.tolist(), count=count.tolist(),
    klass=klass.tolist(), city=city.tolist(), label2=label2.tolist(), deviations=s.scale_.tolist(),
    elastic=[elastic(60, 30), elastic(200, 1)], elasticWeighted=elastic(60, 30, weights),
    logistic=[logistic(5, 2), logistic(20, 0.5)], logisticWeighted=logistic(5, 2, sample=weights),
    multinomial=[multinomial(0, 3), multinomial(4, 2)], poisson=[poisson(2), poisson(50)], oneHot=one_hot(3), path=path(),
)
(HERE / "linear.json").write_text(json.dumps(fixture, separators=(",", ":")))
