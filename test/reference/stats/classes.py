"""Reference values of metrics of several classes, and of temperature scaling. Run: python classes.py > classes.json"""
import json
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn import metrics as m

rng = np.random.default_rng(20011127)
out = {'classes': [], 'temperatures': []}

for n, k, digits in [(12, 3, 3), (90, 3, 1), (300, 7, 3), (500, 20, 2)]:
    y = rng.integers(0, k, n); y[:k] = np.arange(k)
    z = rng.standard_normal((n, k)) + 1.5 * np.eye(k)[y]
    p = np.round(softmax(z, axis=1), digits + 1).clip(1e-3, 1)
    out['classes'].append(dict(
        width=k, outputs=p.ravel().tolist(), codes=y.tolist(),
        logLoss=float(-np.log(p[np.arange(n), y]).mean()),
        accuracy=m.accuracy_score(y, p.argmax(1)),
        macroF1=m.f1_score(y, p.argmax(1), average='macro'),
        macroAuc=float(np.mean([m.roc_auc_score(y == c, p[:, c]) for c in range(k)])),
        confusion=m.confusion_matrix(y, p.argmax(1), labels=range(k)).ravel().tolist()))
    best = minimize_scalar(lambda t: -log_softmax(z / t, axis=1)[np.arange(n), y].sum(), bounds=(.02, 50), method='bounded', options=dict(xatol=1e-10))
    out['temperatures'].append(dict(scores=z.ravel().tolist(), codes=y.tolist(), temperature=float(best.x)))

print(json.dumps(out))
