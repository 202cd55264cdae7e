"""What every peer script shares: its arguments, the data both sides read, CPU time, and one JSON line a figure."""

import contextlib
import json
import os
import sys
import time

import numpy as np

#: Threads this process may use; the caller has set OMP_NUM_THREADS and its kin to the same number.
THREADS = int(os.environ.get("PEER_THREADS", "1"))


def arguments():
    """The arguments of `peer(script, args)`: one JSON object."""
    return json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}


def emit(**figure):
    """One figure, as one line of JSON on standard output."""
    print(json.dumps(figure), flush=True)


def matrix(folder, name):
    """Features [rows, features] of a split, row after row, as float32; made by bench/data."""
    return np.ascontiguousarray(np.load(os.path.join(folder, f"x-{name}.npy")))


def target(folder, name):
    """Targets [rows] of a split, as float64."""
    return np.load(os.path.join(folder, f"y-{name}.npy"))


@contextlib.contextmanager
def cpu():
    """CPU seconds of all threads of this process, and wall seconds: `with cpu() as spent: …`, then `spent["cpu"]`, `spent["wall"]`."""
    spent = {}
    cpu_begun, wall_begun = time.process_time(), time.perf_counter()
    yield spent
    spent["cpu"] = time.process_time() - cpu_begun
    spent["wall"] = time.perf_counter() - wall_begun
