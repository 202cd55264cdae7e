"""MLflow's `models serve` of one ONNX model, in this environment."""

import os
import sys
import tempfile

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from serve_sessions import arguments

given = arguments()
graph = onnx.load(os.path.join(given["folder"], f"{given['model']}.onnx"))
dims = [dim.dim_value or -1 for dim in graph.graph.input[0].type.tensor_type.shape.dim]
place = os.path.join(tempfile.mkdtemp(prefix="millrace-bench-mlflow-"), "model")
mlflow.onnx.save_model(
    graph,
    place,
    signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), dims, name="x")])),
    onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    onnx_execution_providers=["CPUExecutionProvider"],
)
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
program = os.path.join(os.path.dirname(sys.executable), "mlflow")
os.execv(
    program,
    [program, "models", "serve", "-m", place, "--env-manager", "local", "-p", str(given["port"]), "-h", "127.0.0.1", "-w", "1"],
)
