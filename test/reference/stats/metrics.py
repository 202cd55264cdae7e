"""Reference values of model metrics, intervals, moments and DeLong variances. Run: python metrics.py > metrics.json"""
import json
import numpy as np
from scipy import stats
from sklearn import metrics as m
from sklearn.isotonic import IsotonicRegression

rng = np.random.default_rng(20010301)
out = {'cases': []}

def delong(scores, labels):
    """Placement values by the definition, O(n^2)."""
    pos, neg = scores[labels == 1], scores[labels == 0]
    k = (pos[:, None] > neg[None, :]) + .5 * (pos[:, None] == neg[None, :])
    return k.mean(), k.mean(1), k.mean(0)

for n, ties, rate in [(2, False, .5), (7, True, .4), (60, True, .3), (400, False, .2), (400, True, .05)]:
    y = (rng.random(n) < rate).astype(int); y[0] = 1; y[1] = 0
    s = np.clip(.5 * y * rng.random(n) + .7 * rng.random(n), .001, .999)
    s2 = np.clip(s + .1 * rng.standard_normal(n), .001, .999)
    if ties: s, s2 = np.round(s, 1).clip(.05, .95), np.round(s2, 1).clip(.05, .95)
    w = rng.integers(0, 4, n).astype(float); w[:2] = 1
    c = dict(scores=s.tolist(), scores2=s2.tolist(), labels=y.tolist(), weights=w.tolist(),
        auc=m.roc_auc_score(y, s), aucWeighted=m.roc_auc_score(y, s, sample_weight=w),
        logLoss=m.log_loss(y, s, labels=[0, 1]), logLossWeighted=m.log_loss(y, s, sample_weight=w, labels=[0, 1]),
        brier=m.brier_score_loss(y, s), brierWeighted=m.brier_score_loss(y, s, sample_weight=w))
    a, v10, v01 = delong(s, y); b, u10, u01 = delong(s2, y)
    if min(y.sum(), n - y.sum()) > 1:
        c['delongVariance'] = v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)
        d10, d01 = u10 - v10, u01 - v01
        c['pairedDelta'] = b - a
        c['pairedVariance'] = d10.var(ddof=1) / len(d10) + d01.var(ddof=1) / len(d01)
    loss = lambda p: -np.log(np.where(y == 1, p, 1 - p))
    t = stats.ttest_rel(loss(s2), loss(s))
    ci = t.confidence_interval(.95)
    c['lossDelta'] = dict(value=(loss(s2) - loss(s)).mean(), lower=ci.low, upper=ci.high, p=t.pvalue) if n > 2 else None
    iso = IsotonicRegression(y_min=0, y_max=1).fit(s, y, sample_weight=np.maximum(w, 1))
    c['isotonicFit'] = iso.predict(s).tolist()
    out['cases'].append(c)

x = rng.normal(5, 3, 200); z = x + rng.normal(0, 2, 200); w = rng.random(200)
out['regression'] = dict(predicted=z.tolist(), actual=x.tolist(), weights=w.tolist(),
    rmse=m.root_mean_squared_error(x, z), rmseWeighted=m.root_mean_squared_error(x, z, sample_weight=w),
    mae=m.mean_absolute_error(x, z), maeWeighted=m.mean_absolute_error(x, z, sample_weight=w),
    r2=m.r2_score(x, z), r2Weighted=m.r2_score(x, z, sample_weight=w))
g = rng.gamma(2, 3, 150)
out['moments'] = dict(values=g.tolist(), mean=g.mean(), variance=g.var(ddof=1), variancePopulation=g.var(),
    skewness=stats.skew(g), interval=list(stats.t.interval(.95, 149, g.mean(), stats.sem(g))))
out['proportions'] = []
for k, n in [(0, 1), (1, 1), (0, 20), (3, 20), (10, 20), (20, 20), (57, 1000), (1, 100000)]:
    for level in [.9, .95, .999]:
        r = stats.binomtest(k, n)
        e, v = r.proportion_ci(level, 'exact'), r.proportion_ci(level, 'wilson')
        out['proportions'].append([k, n, level, float(v.low), float(v.high), float(e.low), float(e.high)])
q = rng.normal(size=31); wi = rng.integers(1, 6, 31)
out['quantiles'] = dict(values=q.tolist(), weights=wi.tolist(), rows=[[p, np.quantile(q, p), np.quantile(q, p, method='inverted_cdf', weights=wi)]
    for p in [0, .01, .1, .25, .5, .77, .9, .999, 1]])
pv = [.001, .008, .039, .041, .042, .06, .074, .205, .212, .216]
out['multiplicity'] = dict(p=pv, benjaminiHochberg=stats.false_discovery_control(pv).tolist())
print(json.dumps(out, default=float))
