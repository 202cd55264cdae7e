"""What the servers of peers share: a session of ONNX Runtime for each model, with one thread, as ours has."""

import json
import os
import sys

import onnxruntime


def arguments():
    """`folder` of the models, `port`, and what a server has of its own, from the first argument or SERVE_ARGUMENTS."""
    return json.loads(sys.argv[1] if len(sys.argv) > 1 and sys.argv[1].startswith("{") else os.environ["SERVE_ARGUMENTS"])


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def sessions(folder):
    files = [name for name in sorted(os.listdir(folder)) if name.endswith(".onnx")]
    return {name.removesuffix(".onnx"): session(os.path.join(folder, name)) for name in files}


def outputs_of(session):
    return [output.name for output in session.get_outputs()]


def answer(names, arrays):
    """Outputs as the inference protocol has them."""
    kinds = {"float32": "FP32", "int64": "INT64"}
    return {
        "outputs": [
            {"name": name, "shape": array.shape, "datatype": kinds[array.dtype.name], "data": array.ravel().tolist()}
            for name, array in zip(names, arrays)
        ]
    }
