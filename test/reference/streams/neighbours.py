"""Records nearest neighbours of scikit-learn. Run: python neighbours.py (see SOURCE.md for versions).

Numbers are standardised; a category is one column a value, times the root of half the mismatch, so that another value adds the mismatch to the squared distance. Some rows are
there twice with another target, so that distances tie at the border of the neighbours: scikit-learn leaves it open which of them it takes, so its answers are recorded where nothing
ties, and `indexes` are those of a stable sort of the distances by numpy, the earlier row first.
"""
import json, pathlib
import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(31)
n, mismatch = 240, 1.5
x = np.column_stack([rng.normal(10, 3, n), rng.normal(0, 100, n), rng.integers(0, 5, n) / 2]).round(3)
c = rng.integers(0, 4, n)
x[120:160], c[120:160] = x[:40], c[:40]
signal = (x[:, 0] - 10) / 3 + (c == 2) - 0.5 * x[:, 2]
value = (signal + 0.3 * rng.normal(size=n)).round(4)
label = (rng.random(n) < 1 / (1 + np.exp(-2 * signal))).astype(int)
klass = np.clip(np.round(signal + 1), 0, 2).astype(int)
asked = np.vstack([x[:15], np.column_stack([rng.normal(10, 4, 25), rng.normal(0, 120, 25), rng.integers(0, 5, 25) / 2]).round(3)])
asked_c = np.concatenate([c[:15], rng.integers(0, 4, 25)])

scaler = StandardScaler().fit(x)
hot = OneHotEncoder(sparse_output=False).fit(c[:, None])


def space(numbers, codes):
    return np.hstack([scaler.transform(numbers), hot.transform(codes[:, None]) * np.sqrt(mismatch / 2)])


def sorted_rows(k):
    train, query = space(x, c), space(asked, asked_c)
    squares = ((query[:, None, :] - train[None, :, :]) ** 2).sum(axis=2).round(9)
    order = np.argsort(squares, axis=1, kind="stable")
    at = np.take_along_axis(squares, order, axis=1)
    return order[:, :k], at[:, k - 1] < at[:, k]


cases = []
for k in (1, 5, 12):
    for weights in ("uniform", "distance"):
        kind = dict(n_neighbors=k, weights=weights, algorithm="brute")
        train, query = space(x, c), space(asked, asked_c)
        order, clear = sorted_rows(k)
        found = KNeighborsRegressor(**kind).fit(train, value).kneighbors(query, return_distance=False)
        assert all(set(a) == set(b) for a, b, ok in zip(found, order, clear) if ok)
        assert 0 < clear.sum() < len(clear)
        cases.append(dict(
            clear=clear.tolist(), indexes=order.tolist(),
            k=k, weights=weights,
            value=KNeighborsRegressor(**kind).fit(train, value).predict(query).tolist(),
            label=KNeighborsClassifier(**kind).fit(train, label).predict_proba(query)[:, 1].tolist(),
            klass=KNeighborsClassifier(**kind).fit(train, klass).predict_proba(query).tolist()))
fixture = dict(numbers=x.T.tolist(), codes=c.tolist(), value=value.tolist(), label=label.tolist(), klass=klass.tolist(),
               asked=asked.T.tolist(), askedCodes=asked_c.tolist(), mismatch=mismatch, cases=cases)
(HERE / "neighbours.json").write_text(json.dumps(fixture, separators=(",", ":")))
