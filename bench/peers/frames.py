"""Queries of groups, joins and quantiles over files, by Polars, dask or DuckDB alone, the engine of frames: wall and CPU seconds of each, and what came out."""

import json
import os
import resource
import sys
import time

THREADS = int(os.environ.get("PEER_THREADS", "1"))
os.environ["POLARS_MAX_THREADS"] = str(THREADS)
args = json.loads(sys.argv[1])

QUANTILES = [0.1, 0.5, 0.99]


def polars_queries(files, kind):
    import polars as pl

    scan = {"csv": pl.scan_csv, "parquet": pl.scan_parquet}[kind]
    x, small = scan(files[kind]), scan(files["small"][kind])
    c = pl.col
    run = lambda lazy: lazy.collect(engine="streaming")
    yield "q1", lambda: run(x.group_by("id1").agg(c("v1").sum()))
    yield "q3", lambda: run(x.group_by("id3").agg(c("v1").sum(), c("v3").mean()))
    yield "q5", lambda: run(x.group_by("id6").agg(c("v1").sum(), c("v2").sum(), c("v3").sum()))
    yield "median", lambda: run(x.group_by("id4", "id5").agg(c("v3").median().alias("median"), c("v3").std().alias("std")))
    yield "quantile", lambda: run(x.select(c("v3").quantile(q, interpolation="linear").alias(f"q{i}") for i, q in enumerate(QUANTILES)))
    yield "join", lambda: run(x.join(small, on="id6").select(pl.len().alias("n"), c("v1").sum(), c("w").sum()))
    yield "join text", lambda: run(x.join(small.select("id3", "label", "w"), on="id3").group_by("label").agg(c("v3").sum(), c("w").mean()))


def dask_queries(files, kind):
    import dask

    dask.config.set(scheduler="threads", num_workers=THREADS)
    import dask.dataframe as dd

    def scan(path):
        return dd.read_csv(path) if kind == "csv" else dd.read_parquet(path)

    x = lambda: scan(files[kind])
    small = lambda: scan(files["small"][kind])
    yield "q1", lambda: x().groupby("id1", sort=False, observed=True)["v1"].sum().compute().reset_index()
    yield "q3", lambda: x().groupby("id3", sort=False, observed=True).agg({"v1": "sum", "v3": "mean"}).compute().reset_index()
    yield "q5", lambda: x().groupby("id6", sort=False).agg({"v1": "sum", "v2": "sum", "v3": "sum"}).compute().reset_index()

    def medians():
        out = x().groupby(["id4", "id5"], sort=False).agg({"v3": ["median", "std"]}).compute()
        out.columns = ["median", "std"]
        return out.reset_index()

    yield "median", medians

    def quantiles():
        out = x()["v3"].quantile(QUANTILES).compute()
        import pandas as pd

        return pd.DataFrame({f"q{i}": [out.iloc[i]] for i in range(len(QUANTILES))})

    yield "quantile", quantiles

    def joined():
        import pandas as pd

        both = x().merge(small()[["id6", "w"]], on="id6")
        n, v1, w = dask.compute(both["v1"].count(), both["v1"].sum(), both["w"].sum())
        return pd.DataFrame({"n": [n], "v1": [v1], "w": [w]})

    yield "join", joined
    yield "join text", lambda: x().merge(small()[["id3", "label", "w"]], on="id3").groupby("label", sort=False).agg({"v3": "sum", "w": "mean"}).compute().reset_index()


def duckdb_queries(files, kind):
    """A connection a question, as frames have a session each."""
    import duckdb

    scan = {"csv": "read_csv", "parquet": "read_parquet"}[kind]
    x, small = f"{scan}('{files[kind]}')", f"{scan}('{files['small'][kind]}')"

    def ask(sql):
        def run():
            with duckdb.connect(config={"threads": THREADS, "memory_limit": "4GiB"}) as connection:
                return connection.execute(sql).fetchnumpy()

        return run

    quantiles = ", ".join(f"quantile_cont(v3, {q}) AS q{i}" for i, q in enumerate(QUANTILES))
    yield "q1", ask(f"SELECT id1, sum(v1) AS v1 FROM {x} GROUP BY id1")
    yield "q3", ask(f"SELECT id3, sum(v1) AS v1, avg(v3) AS v3 FROM {x} GROUP BY id3")
    yield "q5", ask(f"SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM {x} GROUP BY id6")
    yield "median", ask(f"SELECT id4, id5, median(v3) AS median, stddev_samp(v3) AS std FROM {x} GROUP BY id4, id5")
    yield "quantile", ask(f"SELECT {quantiles} FROM {x}")
    yield "join", ask(f"SELECT count(*) AS n, sum(v1) AS v1, sum(w) AS w FROM {x} JOIN (SELECT id6, w FROM {small}) USING (id6)")
    yield "join text", ask(f"SELECT label, sum(v3) AS v3, avg(w) AS w FROM {x} JOIN (SELECT id3, label, w FROM {small}) USING (id3) GROUP BY label")


def large(tool, path, out):
    """All rows in groups of all keys: about as many groups as rows."""
    keys = ["id1", "id2", "id3", "id4", "id5", "id6"]
    if tool == "polars":
        import polars as pl

        grouped = pl.scan_parquet(path).group_by(keys).agg(pl.col("v3").sum(), pl.len().alias("count"))
        grouped.sink_parquet(out)
    else:
        import dask

        dask.config.set(scheduler="threads", num_workers=THREADS)
        import dask.dataframe as dd

        grouped = dd.read_parquet(path).groupby(keys, sort=False, observed=True).agg({"v3": ["sum", "count"]}, split_out=32)
        grouped.columns = ["v3", "count"]
        grouped.to_parquet(out)


def check(frame):
    """Rows, and the sum of each column of numbers; as doubles, since Polars adds 32-bit numbers in 32 bits."""
    if isinstance(frame, dict):
        numbers = {name: values for name, values in frame.items() if values.dtype.kind in "iuf"}
        sums = {name: float(values.astype("float64").sum()) for name, values in numbers.items()}
        return {"rows": len(next(iter(frame.values()))), "sums": sums}
    names = [name for name in frame.columns if frame[name].dtype.__str__().lower().startswith(("int", "float", "uint"))]
    return {"rows": len(frame), "sums": {name: float(frame[name].to_numpy().astype("float64").sum()) for name in names}}


def spent(work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


if args.get("large"):
    if args.get("memory_mb"):
        resource.setrlimit(resource.RLIMIT_DATA, (args["memory_mb"] * 1_048_576,) * 2)
    _, cpu, wall = spent(lambda: large(args["tool"], args["large"], args["out"]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": wall, "peakMb": peak}), flush=True)
else:
    queries = {"polars": polars_queries, "dask": dask_queries, "duckdb": duckdb_queries}[args["tool"]](args["files"], args["kind"])
    for name, query in queries:
        for _ in range(args["rounds"]):
            result, cpu, wall = spent(query)
            print(json.dumps({"query": name, "cpu": cpu, "wall": wall, **check(result)}), flush=True)
            del result
