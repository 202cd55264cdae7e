"""pandera on a pandas data frame, or with `"engine": "polars"` on one of polars: one schema, validated lazily, so that all failures are collected."""

import os

os.environ["POLARS_MAX_THREADS"] = os.environ.get("PEER_THREADS", "1")
os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"

from collections import defaultdict
from datetime import datetime

import pandera

from figures import arguments, cpu, emit
from tree import peak_mb

asked = arguments()
POLARS = asked["engine"] == "polars"
if POLARS:
    import pandera.polars as pa
    import polars as pl
else:
    import pandas as pd
    import pandera.pandas as pa


def bound(value):
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def named(i, check):
    kind, name = check["kind"], {"name": str(i), "error": str(i)}
    if kind == "range":
        return pa.Check.in_range(bound(check["min"]), bound(check["max"]), **name)
    if kind == "set":
        return pa.Check.isin(check["values"], **name)
    if kind == "pattern":
        return pa.Check.str_matches(check["pattern"], **name)
    if kind == "quantile":
        q, low, high = check["q"], check["min"], check["max"]
        if not POLARS:
            return pa.Check(lambda series: low <= series.quantile(q, "lower") <= high, **name)
        return pa.Check(
            lambda data: data.lazyframe.select(pl.col(data.key).quantile(q, "lower").is_between(low, high)), **name
        )
    return None


def schema(frame, checks):
    columns = defaultdict(lambda: {"checks": [], "nullable": True, "unique": False})
    for i, check in enumerate(checks):
        column = columns[check["column"]]
        if check["kind"] == "filled":
            column["nullable"] = False
        elif check["kind"] == "unique":
            column["unique"] = True
        else:
            column["checks"].append(named(i, check))
    types = frame.schema if POLARS else {}
    return pa.DataFrameSchema({name: pa.Column(types.get(name), **column) for name, column in columns.items()})


def read(path):
    if POLARS:
        return pl.read_parquet(path).with_columns(pl.col("born").cast(pl.Datetime("us")))
    frame = pd.read_parquet(path)
    frame["born"] = pd.to_datetime(frame["born"])
    return frame


def counted(cases):
    """Failing rows by column and check."""
    if POLARS:
        return cases.group_by("column", "check").len().iter_rows()
    return ((*key, n) for key, n in cases.groupby(["column", "check"]).size().items())


with cpu() as spent:
    frame = read(asked["file"])
    failures = defaultdict(int)
    try:
        schema(frame, asked["checks"]).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        for column, check, n in counted(errors.failure_cases):
            failures[(column, check)] += n

# A null is told by "not_nullable" and a repeat by "field_uniqueness"; the others have the names that they were given.
LABELS = {"filled": "not_nullable", "unique": "field_uniqueness"}
verdicts = []
for i, check in enumerate(asked["checks"]):
    label = LABELS.get(check["kind"], str(i))
    n = failures.get((check["column"], label), 0)
    verdict = {"pass": n == 0}
    if check["kind"] != "quantile":
        verdict["failed"] = n
    verdicts.append(verdict)
emit(version=pandera.__version__, cpu=spent["cpu"], wall=spent["wall"], mb=peak_mb(os.getpid()), verdicts=verdicts)
