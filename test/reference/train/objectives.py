"""
What LightGBM and XGBoost reach with each objective, and LightGBM's own gradients. Run: python objectives.py <folder of vega-datasets/data> > objectives.json

Gradients: with one row a leaf, learning rate 1 and no penalty, a leaf's value is minus gradient over hessian of its row at the starting scores.
Held-out losses: five folds by row number modulo 5, means over folds; `spread` is the standard deviation of that mean over eight seeds of 90 % bags.
The ranking set is drawn by the generator of src/core/rng.ts, so that the test can draw it again.
"""
import csv
import json
import math
import sys
import warnings
from datetime import date, datetime
import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn import metrics as m

warnings.filterwarnings('ignore')
folder = sys.argv[1]
M32 = 0xffffffff


class Rng:
    """xoshiro128** 1.1, seeded through SplitMix32: src/core/rng.ts."""

    def __init__(self, seed):
        z = seed & M32
        self.s = []
        for _ in range(4):
            z = (z + 0x9e3779b9) & M32
            self.s.append(self.mix(z))

    @staticmethod
    def mix(h):
        h = ((h ^ (h >> 16)) * 0x85ebca6b) & M32
        h = ((h ^ (h >> 13)) * 0xc2b2ae35) & M32
        return h ^ (h >> 16)

    @staticmethod
    def rotl(x, k):
        return ((x << k) | (x >> (32 - k))) & M32

    def next32(self):
        s = self.s
        result = (self.rotl((s[1] * 5) & M32, 7) * 9) & M32
        t = (s[1] << 9) & M32
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = self.rotl(s[3], 11)
        return result

    def next(self):
        return ((self.next32() >> 5) * 67108864 + (self.next32() >> 6)) / 9007199254740992

    def normal(self):
        return math.sqrt(-2 * math.log(1 - self.next())) * math.cos(2 * math.pi * self.next())


def weather():
    with open(folder + '/seattle-weather.csv') as file:
        rows = list(csv.DictReader(file))
    days = [date.fromisoformat(r['date']) for r in rows]
    number = lambda name: np.array([float(r[name]) for r in rows])
    return dict(rain=number('precipitation'), high=number('temp_max'), low=number('temp_min'), wind=number('wind'),
        month=np.array([float(d.month) for d in days]), sky=np.array([r['weather'] for r in rows]))


def github():
    with open(folder + '/github.csv') as file:
        rows = list(csv.DictReader(file))
    at = [datetime.strptime(r['time'], '%Y/%m/%d %H:%M:%S') for r in rows]
    x = np.array([[float(t.hour), float(t.weekday()), float(t.month)] for t in at])
    return x, np.array([float(r['count']) for r in rows])


LEAVES, TREES, RATE, MIN_ROWS = 15, 60, .1, 20
LGB = dict(num_leaves=LEAVES, learning_rate=RATE, min_data_in_leaf=MIN_ROWS, verbosity=-1, num_threads=1, deterministic=True, force_row_wise=True)
XGB = dict(max_leaves=LEAVES, max_depth=0, grow_policy='lossguide', learning_rate=RATE, min_child_weight=1, reg_lambda=0, tree_method='hist', nthread=1, verbosity=0)


def fit_lgb(params, x, y, **more):
    return lgb.train({**LGB, **params, **more}, lgb.Dataset(x, y), TREES)


def fit_xgb(params, x, y):
    return xgb.train({**XGB, **params}, xgb.DMatrix(x, y), TREES)


def held_out(fit, predict, loss, x, y):
    losses = []
    for fold in range(5):
        test = np.arange(len(y)) % 5 == fold
        losses.append(loss(y[test], predict(fit(x[~test], y[~test]), x[test])))
    return float(np.mean(losses))


def compare(x, y, loss, light, extreme):
    predict_lgb = lambda model, rows: model.predict(rows)
    predict_xgb = lambda model, rows: model.predict(xgb.DMatrix(rows))
    bags = [held_out(lambda a, b: fit_lgb(light, a, b, bagging_fraction=.9, bagging_freq=1, seed=seed), predict_lgb, loss, x, y) for seed in range(8)]
    out = dict(lightgbm=held_out(lambda a, b: fit_lgb(light, a, b), predict_lgb, loss, x, y), spread=float(np.std(bags, ddof=1)))
    if extreme is not None:
        out['xgboost'] = held_out(lambda a, b: fit_xgb(extreme, a, b), predict_xgb, loss, x, y)
    return out


def row_gradients(objective, y, scores, group=None, **params):
    """-gradient / hessian of each row at the scores, by LightGBM. `scores` [n] or [n, k]."""
    n, copies = len(y), 200  # LightGBM estimates counts by hessians, which must not round to 0
    x = np.arange(n, dtype=float).reshape(-1, 1)
    data = lgb.Dataset(np.tile(x, (copies, 1)), np.tile(y, copies), init_score=np.concatenate([scores] * copies), group=group and group * copies,
        params=dict(min_data_in_bin=1))
    model = lgb.train(dict(objective=objective, num_leaves=n + 1, min_data_in_leaf=1, min_sum_hessian_in_leaf=0, learning_rate=1, verbosity=-1,
        boost_from_average=False, num_threads=1, min_data_in_bin=1, **params), data, 1)
    return model.predict(x, raw_score=True).ravel().tolist()


def main():
    out = dict(gradients=[], heldOut={}, ranking={})
    rng = np.random.default_rng(20260101)
    n = 12
    s = np.round(rng.standard_normal(n), 3)
    positive = np.round(rng.gamma(2, 1, n) + .1, 3)
    for name, params, y, theirs, more in [
        ('logloss', {}, (rng.random(n) < .5).astype(float), 'binary', {}),
        ('logloss', dict(scalePosWeight=3), (rng.random(n) < .5).astype(float), 'binary', dict(scale_pos_weight=3)),
        ('huber', dict(delta=.7), np.round(rng.standard_normal(n), 3), 'huber', dict(alpha=.7)),
        ('fair', dict(c=1.3), np.round(rng.standard_normal(n), 3), 'fair', dict(fair_c=1.3)),
        ('poisson', {}, rng.poisson(2, n).astype(float), 'poisson', {}),
        ('poisson', dict(maxDeltaStep=.2), rng.poisson(2, n).astype(float), 'poisson', dict(poisson_max_delta_step=.2)),
        ('gamma', {}, positive, 'gamma', {}),
        ('tweedie', dict(power=1.3), np.where(rng.random(n) < .4, 0, positive), 'tweedie', dict(tweedie_variance_power=1.3)),
    ]:
        out['gradients'].append(dict(objective=dict(name=name, **params), target=y.tolist(), scores=s.tolist(), steps=row_gradients(theirs, y, s, **more)))
    out['quantiles'] = []
    for size in [1, 2, 5, 10, 31]:
        values = np.round(rng.standard_normal(size), 1)
        shares = [.05, .1, .25, .5, .75, .9, .99]
        out['quantiles'].append(dict(values=values.tolist(), shares=shares, expected=[float(np.quantile(values, a, method='averaged_inverted_cdf')) for a in shares]))
    codes = np.array([0, 1, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2], dtype=float)
    wide = np.round(rng.standard_normal((n, 3)), 3)
    for name, theirs in [('softmax', 'multiclass'), ('oneVsAll', 'multiclassova')]:
        out['gradients'].append(dict(objective=dict(name=name), target=codes.tolist(), scores=wide.ravel().tolist(), steps=row_gradients(theirs, codes, wide, num_class=3)))
    relevance = np.array([3, 0, 1, 2, 0, 4, 1, 0, 2, 0, 0, 1], dtype=float)
    for more in [{}, dict(truncation=4), dict(normalise=False), dict(labelGains=[0, 1, 4, 10, 11])]:
        theirs = dict(lambdarank_truncation_level=more.get('truncation', 30), lambdarank_norm=more.get('normalise', True))
        if 'labelGains' in more: theirs['label_gain'] = more['labelGains']
        out['gradients'].append(dict(objective=dict(name='lambdarank', **more), target=relevance.tolist(), scores=s.tolist(), groups=[0, 7],
            steps=row_gradients('lambdarank', relevance, s, group=[7, 5], **theirs)))

    w = weather()
    x = np.stack([w['low'], w['wind'], w['month'], w['rain']], 1)
    sky = np.unique(w['sky'], return_inverse=True)[1].astype(float)
    shape = np.stack([w['low'], w['high'], w['wind'], w['month']], 1)
    wet = w['rain'] > 0
    pinball = lambda alpha: lambda y, p: m.mean_pinball_loss(y, p, alpha=alpha)
    huber = lambda y, p: float(np.where(abs(p - y) <= 2, (p - y) ** 2 / 2, 2 * (abs(p - y) - 1)).mean())
    fair = lambda y, p: float((4 * (abs(p - y) / 2 - np.log1p(abs(p - y) / 2))).mean())
    mape = lambda y, p: float((abs(p - y) / np.maximum(1, abs(y))).mean())
    labels = [0., 1., 2., 3., 4.]
    runs = {
        'l2': (x, w['high'], m.mean_squared_error, dict(objective='l2'), dict(objective='reg:squarederror')),
        'l1': (x, w['high'], m.mean_absolute_error, dict(objective='l1'), dict(objective='reg:absoluteerror')),
        'quantile-0.9': (x, w['high'], pinball(.9), dict(objective='quantile', alpha=.9), dict(objective='reg:quantileerror', quantile_alpha=.9)),
        'quantile-0.1': (x, w['high'], pinball(.1), dict(objective='quantile', alpha=.1), dict(objective='reg:quantileerror', quantile_alpha=.1)),
        'huber': (x, w['high'], huber, dict(objective='huber', alpha=2), None),
        'fair': (x, w['high'], fair, dict(objective='fair', fair_c=2), None),
        'mape': (x, w['high'], mape, dict(objective='mape'), None),
        'poisson': (*github(), m.mean_poisson_deviance, dict(objective='poisson'), dict(objective='count:poisson')),
        'gamma': (shape[wet], w['rain'][wet], m.mean_gamma_deviance, dict(objective='gamma'), dict(objective='reg:gamma')),
        'tweedie': (shape, w['rain'], lambda y, p: m.mean_tweedie_deviance(y, p, power=1.5), dict(objective='tweedie', tweedie_variance_power=1.5),
            dict(objective='reg:tweedie', tweedie_variance_power=1.5)),
        'logloss': (shape, wet.astype(float), m.log_loss, dict(objective='binary'), dict(objective='binary:logistic')),
        'softmax': (x, sky, lambda y, p: m.log_loss(y, p, labels=labels), dict(objective='multiclass', num_class=5), dict(objective='multi:softprob', num_class=5)),
        'oneVsAll': (x, sky, lambda y, p: m.log_loss(y, p / p.sum(1, keepdims=True), labels=labels), dict(objective='multiclassova', num_class=5), None),
    }
    for name, (a, y, loss, light, extreme) in runs.items():
        out['heldOut'][name] = compare(a, y, loss, light, extreme)

    def queries(seed, count, size=20, features=6):
        draw = Rng(seed)
        rows, labels = [], []
        for _ in range(count):  # test/train/gbdt/objectives/ranking.test.ts draws the same
            mood = 1.5 * draw.normal()  # of the query: it moves all its labels and orders nothing
            for _ in range(size):
                f = [draw.normal() for _ in range(features)]
                raw = mood + f[0] + (1. if f[2] > .5 else 0.) + .7 * f[3] * f[4] + draw.normal()
                rows.append([mood + .3 * f[5]] + f[:5])
                labels.append(float(min(4, max(0, math.floor(raw + 1.5)))))
        return np.array(rows), np.array(labels), [size] * count

    def ndcg10(y, p, sizes):
        total, at = [], 0
        for size in sizes:
            part = slice(at, at + size)
            if y[part].max() > 0: total.append(m.ndcg_score([2 ** y[part] - 1], [p[part]], k=10))
            at += size
        return float(np.mean(total))

    (a, y, sizes), (b, z, tests) = queries(1, 300), queries(2, 500)
    rank = lambda **more: lgb.train({**LGB, **dict(objective='lambdarank'), **more}, lgb.Dataset(a, y, group=sizes), TREES).predict(b)
    out['ranking'] = dict(
        lightgbm=ndcg10(z, rank(), tests),
        spread=float(np.std([ndcg10(z, rank(bagging_fraction=.9, bagging_freq=1, seed=seed), tests) for seed in range(8)], ddof=1)),
        pointwise=ndcg10(z, fit_lgb(dict(objective='l2'), a, y).predict(b), tests))
    data = xgb.DMatrix(a, y); data.set_group(sizes)
    out['ranking']['xgboost'] = ndcg10(z, xgb.train({**XGB, 'objective': 'rank:ndcg'}, data, TREES).predict(xgb.DMatrix(b)), tests)
    print(json.dumps(out, indent=1))


main()
