"""BentoML over ONNX Runtime: arrays in JSON, with its adaptive batching where that is asked for."""

import os

import bentoml
import numpy as np
from serve_sessions import arguments, session

given = arguments()
batching = (
    {"batchable": True, "max_batch_size": given["batch"], "max_latency_ms": 1000} if given["batch"] else {}
)


@bentoml.service(workers=1, traffic={"timeout": 60}, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Models:
    def __init__(self):
        self.sessions = {name: session(os.path.join(given["folder"], f"{name}.onnx")) for name in ("conv", "gbdt", "iris", "mlp")}

    def last(self, name, x):
        return self.sessions[name].run(None, {"x": x.astype(np.float32, copy=False)})[-1]

    @bentoml.api(**batching)
    def iris(self, x: np.ndarray) -> np.ndarray:
        return self.last("iris", x)

    @bentoml.api(**batching)
    def gbdt(self, x: np.ndarray) -> np.ndarray:
        return self.last("gbdt", x)

    @bentoml.api(**batching)
    def mlp(self, x: np.ndarray) -> np.ndarray:
        return self.last("mlp", x)

    @bentoml.api(**batching)
    def conv(self, x: np.ndarray) -> np.ndarray:
        return self.last("conv", x)
