"""Reference values of metrics of several classes, of orders within groups, and of quantiles, counts and amounts. Run: python metrics-tasks.py > metrics-tasks.json"""
import json
import warnings
import numpy as np
from sklearn import metrics as m

warnings.filterwarnings('ignore')
rng = np.random.default_rng(19731109)
out = {'classes': [], 'groups': [], 'numbers': []}

for n, k, digits in [(9, 3, 3), (80, 4, 1), (200, 6, 3)]:
    y = rng.integers(0, k, n); y[:k] = np.arange(k)
    z = rng.standard_normal((n, k)) + np.eye(k)[y]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    p = np.round(p, digits) + 1e-3
    p = p / p.sum(1, keepdims=True)
    w = rng.integers(0, 4, n).astype(float); w[:k] = 1
    said = p.argmax(1)
    case = dict(width=k, probabilities=p.ravel().tolist(), codes=y.tolist(), weights=w.tolist())
    for suffix, sw in [('', None), ('Weighted', w)]:
        case['logLoss' + suffix] = m.log_loss(y, p, sample_weight=sw)
        case['accuracy' + suffix] = m.accuracy_score(y, said, sample_weight=sw)
        case['top2' + suffix] = m.top_k_accuracy_score(y, p, k=2, sample_weight=sw)
        case['brier' + suffix] = m.brier_score_loss(y, p, sample_weight=sw, scale_by_half=False)
        case['macroF1' + suffix] = m.f1_score(y, said, average='macro', sample_weight=sw)
        case['weightedF1' + suffix] = m.f1_score(y, said, average='weighted', sample_weight=sw)
        case['kappa' + suffix] = m.cohen_kappa_score(y, said, weights='quadratic', sample_weight=sw)
        case['confusion' + suffix] = m.confusion_matrix(y, said, sample_weight=sw).ravel().tolist()
        case['macroAuc' + suffix] = float(np.mean([m.roc_auc_score(y == c, p[:, c], sample_weight=sw) for c in range(k)]))
    out['classes'].append(case)

for size, ties, k in [(1, False, 1), (8, False, 3), (30, False, 10), (30, True, 10), (12, True, 50)]:
    r = rng.integers(0, 5, size).astype(float); r[0] = 2
    s = r + 2 * rng.standard_normal(size)
    if ties: s = np.round(s / 2)
    case = dict(scores=s.tolist(), relevances=r.tolist(), k=k,
        ndcg=1.0 if size == 1 else m.ndcg_score([2 ** r - 1], [s], k=k))
    if not ties:
        case['averagePrecision'] = m.average_precision_score(r > 0, s) if size > 1 else 1.0
        case['reciprocalRank'] = 1 / (1 + int(np.argmax((r > 0)[np.argsort(-s)])))
    out['groups'].append(case)

for n in [1, 40]:
    y = rng.gamma(2., 1.5, n); mu = y * np.exp(.4 * rng.standard_normal(n)); w = rng.integers(0, 3, n).astype(float); w[0] = 1
    counts = rng.poisson(mu).astype(float); zeros = np.where(rng.random(n) < .4, 0, y)
    case = dict(predicted=mu.tolist(), actual=y.tolist(), counts=counts.tolist(), amounts=zeros.tolist(), weights=w.tolist())
    for suffix, sw in [('', None), ('Weighted', w)]:
        case['pinball' + suffix] = m.mean_pinball_loss(y, mu, alpha=.9, sample_weight=sw)
        case['poisson' + suffix] = m.mean_poisson_deviance(counts, mu, sample_weight=sw)
        case['gamma' + suffix] = m.mean_gamma_deviance(y, mu, sample_weight=sw)
        case['tweedie' + suffix] = m.mean_tweedie_deviance(zeros, mu, power=1.5, sample_weight=sw)
        case['cubic' + suffix] = m.mean_tweedie_deviance(y, mu, power=3, sample_weight=sw)
        case['mape' + suffix] = m.mean_absolute_percentage_error(y, mu, sample_weight=sw)
    out['numbers'].append(case)

print(json.dumps(out))
