"""Scores the rows of one model with one library, in a batch and one row at a time.

Arguments: library (lightgbm | onnxruntime | lleaves | treelite), model (LightGBM text), onnx (the same as ONNX), folder, rows.
Emits build (CPU seconds until the first score), batch and single (CPU seconds a row).
LightGBM answers single rows by its C interface (SingleRowFast); ONNX Runtime, lleaves and treelite by what they give Python.
"""

import ctypes

import numpy as np
from figures import THREADS, arguments, cpu, emit, matrix

ROUNDS = 5
SINGLES = 2000


def lightgbm(a):
    import lightgbm as lgb

    booster = lgb.Booster(model_file=a["model"], params={"num_threads": THREADS})
    library = lgb.basic._LIB
    fast = ctypes.c_void_p()
    n_features = booster.num_feature()
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, 1, 0, -1, 1, ctypes.c_int32(n_features), ctypes.c_char_p(b"num_threads=1"), ctypes.byref(fast)
    )
    length, out = ctypes.c_int64(), np.zeros(1)
    out_at = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    one = library.LGBM_BoosterPredictForMatSingleRowFast

    def single(address):
        one(fast, ctypes.c_void_p(address), ctypes.byref(length), out_at)

    return lambda x: booster.predict(x, raw_score=True, num_threads=THREADS), single, True


def onnxruntime(a):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(a["onnx"], options, providers=["CPUExecutionProvider"])
    name, kind = session.get_inputs()[0].name, session.get_inputs()[0].type
    outputs = [session.get_outputs()[-1].name]
    dtype = np.float64 if "double" in kind else np.float32
    return lambda x: session.run(outputs, {name: np.asarray(x, dtype)}), None, False


def lleaves(a):
    import lleaves as ll

    model = ll.Model(model_file=a["model"])
    model.compile(raw_score=True)
    return lambda x: model.predict(x, n_jobs=1), None, False


def treelite(a):
    import treelite as tl

    model = tl.frontend.load_lightgbm_model(a["model"])
    return lambda x: tl.gtil.predict(model, x, nthread=THREADS, pred_margin=True), None, False


def least(work, per):
    best = float("inf")
    for _ in range(ROUNDS):
        with cpu() as spent:
            work()
        best = min(best, spent["cpu"] / per)
    return best


a = arguments()
x = np.ascontiguousarray(matrix(a["folder"], "test")[: a["rows"]], dtype=np.float64)
with cpu() as built:
    batch, single, by_address = {"lightgbm": lightgbm, "onnxruntime": onnxruntime, "lleaves": lleaves, "treelite": treelite}[a["library"]](a)
    batch(x[:1])
rows = [x[i : i + 1] for i in range(SINGLES)]
addresses = [row.ctypes.data for row in rows]


def singles():
    if by_address:
        for address in addresses:
            single(address)
    else:
        for row in rows:
            batch(row)


emit(build=built["cpu"], batch=least(lambda: batch(x), len(x)), single=least(singles, SINGLES))
