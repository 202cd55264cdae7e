"""Networks of PyTorch as its own exporters write them, and what PyTorch says of some rows. Writes torch/*.onnx and torch/answers-<version>.json; see SOURCE.md.

    python generate_torch.py              every network that this version can export
"""

import io
import json
import os
import warnings

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
os.makedirs(HERE, exist_ok=True)
VERSION = ".".join(torch.__version__.split(".")[:2])
IS_NEW = int(VERSION.split(".")[0]) >= 2
torch.manual_seed(7)
rows = torch.randn(24, 4) * torch.tensor([1.0, 2.0, 0.5, 4.0])


def batch_norm(width):
    norm = nn.BatchNorm1d(width)
    norm.running_mean.copy_(torch.randn(width))
    norm.running_var.copy_(torch.rand(width) + 0.5)
    norm.weight.data.copy_(torch.rand(width) + 0.5)
    norm.bias.data.copy_(torch.randn(width))
    return norm


class Standardised(nn.Module):
    """Columns scaled by buffers, a squeezed logit: as many write it by hand."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5, -1.0, 0.0, 2.0]))
        self.register_buffer("std", torch.tensor([1.0, 2.0, 0.5, 4.0]))
        self.body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))

    def forward(self, x):
        return torch.sigmoid(self.body((x - self.mean) / self.std)).squeeze(-1)


NETWORKS = {
    "gelu": nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1), nn.Sigmoid()),
    "norms": nn.Sequential(batch_norm(4), nn.Linear(4, 8), batch_norm(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 5), nn.ReLU(), batch_norm(5), nn.Linear(5, 3), nn.Softmax(dim=1)),
    "silu": nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1)),
    "tanh": nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2), nn.Softmax(dim=-1)),
    "sigmoids": nn.Sequential(nn.Linear(4, 6, bias=False), nn.Sigmoid(), nn.Linear(6, 1), nn.Sigmoid()),
    "bottleneck": nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5), nn.Linear(2, 7), nn.ReLU(), nn.Linear(7, 1)),
    "gelu-tanh": nn.Sequential(nn.Linear(4, 8), nn.GELU(approximate="tanh"), nn.Linear(8, 1)),
    "by-hand": Standardised(),
}


def export(model, opset, dynamo):
    buffer = io.BytesIO()
    names = {"input_names": ["input"], "output_names": ["output"], "opset_version": opset}
    if not IS_NEW:
        torch.onnx.export(model, rows, buffer, dynamic_axes={"input": {0: "rows"}}, **names)
        return buffer.getvalue()
    if not dynamo:
        torch.onnx.export(model, (rows,), buffer, dynamo=False, dynamic_axes={"input": {0: "rows"}}, **names)
        return buffer.getvalue()
    program = torch.onnx.export(model, (rows,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("rows")},), **names)
    return without_paths(program.model_proto).SerializeToString()


def outside(model):
    """As the newer exporter saves to a path: weights in a file beside it."""
    import onnx

    folder = os.path.join(HERE, "outside")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    torch.onnx.export(model, (rows,), path, dynamo=True, external_data=True, opset_version=18, dynamic_shapes=({0: torch.export.Dim("rows")},), input_names=["input"], output_names=["output"])
    proto = onnx.load(path, load_external_data=False)
    assert any(part.data_location == onnx.TensorProto.EXTERNAL for part in proto.graph.initializer)
    with open(path, "wb") as file:
        file.write(without_paths(proto).SerializeToString())


def without_paths(proto):
    """This exporter notes for every node which line of which file it comes from."""
    for part in [proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer, *proto.functions]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


def main():
    answers = {"rows": rows.double().tolist(), "outputs": {}}
    ways = [("script", 17, False), ("dynamo", 18, True), ("dynamo20", 20, True)] if IS_NEW else [("script", 13, False)]
    for name, model in NETWORKS.items():
        model.eval()
        with torch.no_grad():
            answers["outputs"][name] = model(rows).double().reshape(len(rows), -1).tolist()
        for way, opset, dynamo in ways:
            if way == "dynamo20" and "gelu" not in name:
                continue
            with open(os.path.join(HERE, f"{name}-{VERSION}-{way}.onnx"), "wb") as file:
                file.write(export(model, opset, dynamo))
    if IS_NEW:
        wide = nn.Sequential(nn.Linear(4, 300), nn.GELU(), nn.Linear(300, 1), nn.Sigmoid()).eval()
        with torch.no_grad():
            answers["outputs"]["outside"] = wide(rows).double().tolist()
        outside(wide)
    with open(os.path.join(HERE, f"answers-{VERSION}.json"), "w") as file:
        json.dump(answers, file)


main()
