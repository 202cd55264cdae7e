"""Reference values of special functions and distributions: mpmath at 50 digits where it has the function, SciPy elsewhere.

Run: python special.py > special.json (numpy, scipy, mpmath; versions in SOURCE.md). No randomness.
"""
import json
import mpmath as mp
import numpy as np
from scipy import stats, special

mp.mp.dps = 50
out = {}
f = float

out['logGamma'] = [[x, f(mp.loggamma(x))] for x in
    [1e-10, 1e-3, .1, .4999, .5, .75, .999999, 1.00000001, 1.2, 1.4999, 1.5, 1.9999999, 2.0000001, 2.3, 2.5, 2.51, 3, 4.7, 7, 9.99, 10, 10.5,
     25, 100.25, 1e3, 1e5 + .5, 1e8, 1e15]]

def gpair(a, x):
    """Series of P with so many digits that 1 - P keeps 30 of them."""
    if special.gammainc(a, x) < 1e-290 or special.gammaincc(a, x) < 1e-290:
        return [0, 0]
    with mp.workdps(60 + int(max(0, -mp.log10(special.gammaincc(a, x)))) + int(0.5 * x ** 0.5)):
        a, x = mp.mpf(a), mp.mpf(x)
        term = total = mp.mpf(1)
        k = 0
        while k < x or term > total * mp.mpf(10) ** -(mp.mp.dps + 5):
            k += 1
            term *= x / (a + k)
            total += term
        lower = total * mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1))
        return [f(lower), f(1 - lower)]

def beta_lower(a, b, x):
    """I_x(a, b) by its series of positive terms (DLMF 8.17.8)."""
    if x > 0.96 and special.betainc(float(a), float(b), float(x)) > 1e-300:
        with mp.workdps(60 - int(mp.log10(special.betainc(float(a), float(b), float(x))))):
            return 1 - beta_lower(b, a, 1 - mp.mpf(x))
    a, b, x = mp.mpf(a), mp.mpf(b), mp.mpf(x)
    term = total = mp.mpf(1)
    k = 0
    while term > total * mp.mpf(10) ** -(mp.mp.dps + 5):
        term *= (a + b + k) / (a + 1 + k) * x
        total += term
        k += 1
    return total * mp.exp(a * mp.log(x) + b * mp.log1p(-x) - mp.log(a) - mp.log(mp.beta(a, b)))

gs = []
for a in [1e-4, .1, .5, 1, 1.5, 3, 10, 33.3, 100, 1000, 20000]:
    for r in [1e-6, .01, .3, .8, .97, 1, 1.05, 1.3, 2, 5, 20]:
        x = a * r
        p, q = gpair(a, x)
        if p > 1e-290 and q > 1e-290:
            gs.append([a, x, p, q])
out['gamma'] = gs

bs = []
for a in [.01, .5, 1, 2.5, 10, 80, 1000]:
    for b in [.02, .5, 1, 3, 40, 700]:
        for x in [1e-8, .001, .1, .3, .5, .77, .95, .999]:
            if special.betainc(a, b, x) < 1e-290 or special.betainc(b, a, 1 - x) < 1e-290:
                continue
            lo = beta_lower(a, b, x)
            hi = beta_lower(b, a, 1 - mp.mpf(x))
            if lo > 1e-290 and hi > 1e-290:
                bs.append([a, b, x, f(lo), f(hi)])
out['beta'] = bs

xs = [-6, -2.5, -1, -.1, -1e-9, 0, 1e-12, 1e-3, .3, .7, 1, 1.3, 2, 3, 5, 8, 12, 20, 26]
out['erf'] = [[x, f(mp.erf(x)), f(mp.erfc(x))] for x in xs]
zs = [-37, -30, -20, -10, -6, -3, -1.96, -1, -.5, -1e-5, 0, .2, 1, 1.6448536269514722, 2.5, 4, 6, 8]
out['normal'] = [[z, f(mp.ncdf(z))] for z in zs]
out['normalQuantile'] = [[p, f(mp.mpf(2) ** .5 * mp.erfinv(2 * mp.mpf(p) - 1)) if p > 1e-14 else f(stats.norm.ppf(p))]
    for p in [1e-300, 1e-100, 1e-30, 1e-12, 1e-6, .001, .01, .025, .1, .25, .4, .49, .4999999, .500001, .6, .9, .975, .999, .9999999]]
out['chiSquare'] = [[x, df, *gpair(df / 2, x / 2)] for df in [1, 2, 3, 9, 50, 400] for x in [1e-3, .5, 3.84, 7.06, 30, 120, 600] if gpair(df / 2, x / 2)[0] > 0]

def tupper(t, df):
    df = mp.mpf(df); t = mp.mpf(t)
    return f(beta_lower(df / 2, mp.mpf(1) / 2, df / (df + t * t)) / 2) if t * t > df / 100 else f((1 - beta_lower(mp.mpf(1) / 2, df / 2, t * t / (df + t * t))) / 2)
out['studentSf'] = [[t, df, tupper(t, df)] for df in [1, 2, 4.5, 10, 30, 200, 5000] for t in [1e-6, .1, .7, 1, 2, 4, 10, 50]]
out['studentQuantile'] = [[p, df, f(stats.t.ppf(p, df))] for df in [1, 2, 5, 30, 1000] for p in [1e-6, .005, .025, .3, .6, .95, .975, .9995]]
out['fSf'] = [[x, a, b, f(stats.f.sf(x, a, b))] for a in [1, 4, 9, 60] for b in [2, 10, 100] for x in [.1, .8, 1.5, 3, 12]]
out['binomial'] = [[k, n, p, f(stats.binom.cdf(k, n, p)), f(stats.binom.sf(k, n, p))]
    for n in [1, 5, 40, 1000] for p in [.001, .1, .5, .93] for k in sorted({0, n // 10, n // 3, n // 2, n - 1})
    if stats.binom.cdf(k, n, p) > 1e-280 and stats.binom.sf(k, n, p) > 1e-280]
out['kolmogorov'] = [[x, f(special.kolmogorov(x))] for x in [0, .1, .2, .35, .5, .7, .9, .99, 1, 1.2, 1.36, 1.63, 2, 3, 5, 9]]
out['ksOneSample'] = [[d, n, f(stats.kstwo.sf(d, n))] for n in [1, 2, 5, 10, 30, 100, 140, 141, 300, 1000, 5000]
    for d in [.02, .05, .1, .2, .2727272727272727, .4, .6, .9] if n * d > .5 and stats.kstwo.sf(d, n) > 1e-100]
print(json.dumps(out))
