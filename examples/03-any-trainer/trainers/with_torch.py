"""A small network of PyTorch: leaves model.onnx, as torch.onnx.export writes it. Runs with PyTorch 1.13 and later; of 2.x it also needs the package onnx."""

import inspect

import contract as c
import numpy as np
import torch
from torch import nn

c.need_binary()
torch.manual_seed(c.PARAMS["seed"])
torch.set_num_threads(1)
options = c.PARAMS["params"]
steps = options.get("steps", 300)


def tensor(values):
    return torch.tensor(np.asarray(values, dtype=np.float32))


x, y = map(tensor, c.rows("train"))
x_validate, y_validate = map(tensor, c.rows("validate"))


class Standardise(nn.Module):
    """Centres and scales columns; a part of the network, so that the exported file takes rows as they are."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("mean", rows.mean(0))
        self.register_buffer("std", rows.std(0))

    def forward(self, rows):
        return (rows - self.mean) / self.std


model = nn.Sequential(
    Standardise(x), nn.Linear(x.shape[1], 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 8), nn.GELU(), nn.BatchNorm1d(8), nn.Linear(8, 1), nn.Sigmoid()
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
for step in range(steps):
    optimizer.zero_grad()
    loss = nn.functional.binary_cross_entropy(model(x)[:, 0], y)
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        c.progress(step / steps, f"step {step} of {steps}: loss {loss.item():.4f}")

model.eval()
newer = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
torch.onnx.export(model, (x[:1],), c.output("model.onnx"), input_names=["features"], output_names=["rain"], dynamic_axes={"features": {0: "rows"}}, **newer)
with torch.no_grad():
    scores = model(x_validate)[:, 0].numpy()
c.scores(scores)
c.metrics(validationAuc=c.auc(y_validate.numpy(), scores))
