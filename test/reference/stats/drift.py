"""Reference values of distances and two-sample tests. Run: python drift.py > drift.json"""
import json
import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

rng = np.random.default_rng(20010601)
out = {}
out['ks'] = []
for n, m, shift, ties in [(1, 1, 0, 0), (2, 3, 5, 0), (10, 11, .3, 0), (25, 40, .8, 0), (60, 60, .1, 0), (80, 90, .5, 1), (400, 300, .1, 0), (2000, 900, .05, 0)]:
    a, b = rng.normal(size=n), rng.normal(shift, 1.2, m)
    if ties: a, b = a.round(1), b.round(1)
    mode = 'exact' if n * m <= 10 ** 4 else 'asymp'
    r = stats.ks_2samp(a, b, method=mode)
    out['ks'].append(dict(a=a.tolist(), b=b.tolist(), mode=mode, d=r.statistic, p=r.pvalue, w1=stats.wasserstein_distance(a, b)))
out['tables'] = []
for t in [[[120, 90, 40], [100, 110, 60]], [[12, 5, 30, 9], [20, 7, 11, 15]], [[5000, 200, 30], [5100, 160, 90]], [[10, 10], [10, 30]], [[30, 20, 9], [11, 40, 22], [10, 9, 35]]]:
    x = stats.chi2_contingency(t, correction=False)
    g = stats.chi2_contingency(t, correction=False, lambda_='log-likelihood')
    out['tables'].append(dict(table=t, df=x.dof, chi=x.statistic, chiP=x.pvalue, g=g.statistic, gP=g.pvalue))
out['shares'] = []
for k in [2, 3, 10]:
    p, q = rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k))
    out['shares'].append(dict(p=p.tolist(), q=q.tolist(), psi=((p - q) * np.log(p / q)).sum(), jsE=jensenshannon(p, q), js2=jensenshannon(p, q, 2),
        hellinger=np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)))
print(json.dumps(out, default=float))
