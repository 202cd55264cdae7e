"""Profiles of Parquet files by whylogs, one a file, and all of them merged: CPU seconds without reading, and what the merged one says."""

import glob
import logging

import pyarrow.parquet as pq
import whylogs as why
from figures import arguments, cpu, emit
from whylogs.core.view.dataset_profile_view import DatasetProfileView

logging.disable(logging.CRITICAL)

asked = arguments()
columns = asked["columns"]
spent_on = dict.fromkeys(columns, 0.0)
blobs = []
for path in sorted(glob.glob(f"{asked['folder']}/*.parquet")):
    frame = pq.read_table(path, columns=columns).to_pandas()
    with cpu() as spent:
        blobs.append(why.log(frame).view().serialize())
    spent_on["all"] = spent_on.get("all", 0.0) + spent["cpu"]

merge_cpu = None
for _ in range(asked["rounds"]):
    with cpu() as spent:
        merged = None
        for blob in blobs:
            view = DatasetProfileView.deserialize(blob)
            merged = view if merged is None else merged.merge(view)
    merge_cpu = spent["cpu"] if merge_cpu is None else min(merge_cpu, spent["cpu"])
figures = {}
for name in columns:
    column = merged.get_column(name)
    quantiles = []
    if name in asked["numbers"]:
        quantiles = list(column.get_metric("distribution").kll.value.get_quantiles(asked["ranks"]))
    figures[name] = {"distinct": column.get_metric("cardinality").hll.value.get_estimate(), "quantiles": quantiles}
emit(cpu=spent_on["all"], merge=merge_cpu, bytes=sum(len(blob) for blob in blobs), columns=figures)
