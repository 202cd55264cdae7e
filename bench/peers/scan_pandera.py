"""pandera on a polars data frame, its fastest engine: one schema, validated lazily, so that all failures are collected."""

import os

os.environ["POLARS_MAX_THREADS"] = os.environ.get("PEER_THREADS", "1")
os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"

from collections import defaultdict
from datetime import datetime

import pandera
import pandera.polars as pa
import polars as pl

from figures import arguments, cpu, emit
from tree import peak_mb

asked = arguments()


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
    return pa.DataFrameSchema({name: pa.Column(frame.schema[name], **column) for name, column in columns.items()})


with cpu() as spent:
    frame = pl.read_parquet(asked["file"]).with_columns(pl.col("born").cast(pl.Datetime("us")))
    failures = defaultdict(int)
    try:
        schema(frame, asked["checks"]).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases.group_by("column", "check").len()
        for column, check, n in cases.iter_rows():
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
