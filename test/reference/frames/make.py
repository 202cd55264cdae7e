"""Writes cases.json: two small tables, and what pandas and Polars make of them. See SOURCE.md."""

import json
import math
import os

import numpy as np
import pandas as pd
import polars as pl

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20261127)

N = 240
KEYS = ["a", "b", "ß", "Zoë", "日本"]


def holes(values, share):
    return [None if rng.random() < share else v for v in values]


def left():
    start = 1_700_000_000_000
    steps = rng.integers(0, 4, N) * 3_600_000 * 5
    return {
        "id": list(range(N)),
        "k": holes([KEYS[i] for i in rng.integers(0, 5, N)], 0.05),
        "g": [int(v) for v in rng.integers(0, 7, N)],
        "x": holes([float(np.round(v, 3)) for v in rng.normal(10, 5, N)], 0.1),
        "w": [float(np.round(v, 2)) for v in rng.random(N) + 0.1],
        "n": holes([int(v) for v in rng.integers(-50, 50, N)], 0.08),
        "b": holes([bool(v) for v in rng.integers(0, 2, N)], 0.05),
        "t": [int(v) for v in start + np.cumsum(steps)],
    }


def right():
    m = 12
    return {
        "g": [int(v) for v in rng.permutation(14)[:m]],
        "label": [f"group {i}" for i in range(m)],
        "w": [float(np.round(v, 2)) for v in rng.random(m)],
        "t": sorted(int(1_700_000_000_000 + v * 3_600_000) for v in rng.integers(0, 1700, m)),
    }


A, B = left(), right()
SCHEMA = {"id": pl.Int64, "k": pl.String, "g": pl.Int64, "x": pl.Float64, "w": pl.Float64, "n": pl.Int64, "b": pl.Boolean}
a = pl.DataFrame(A, schema={**SCHEMA, "t": pl.Int64}).with_columns(pl.from_epoch("t", time_unit="ms"))
b = pl.DataFrame(B).with_columns(pl.from_epoch("t", time_unit="ms"))
pa_ = pd.DataFrame({**A, "x": np.array(A["x"], dtype=float), "n": np.array(A["n"], dtype=float)})
pa_["t"] = pd.to_datetime(pa_["t"], unit="ms")
pb_ = pd.DataFrame(B)
pb_["t"] = pd.to_datetime(pb_["t"], unit="ms")

cases = {}


def plain(value):
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    if isinstance(value, (np.integer,)):
        return int(value)
    if isinstance(value, (np.bool_,)):
        return bool(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if hasattr(value, "timestamp"):
        return int(round(value.replace(tzinfo=__import__("datetime").timezone.utc).timestamp() * 1000))
    return value


def case(name, frame):
    if isinstance(frame, pl.DataFrame):
        columns = {c: [plain(v) for v in frame[c].to_list()] for c in frame.columns}
    else:
        columns = {c: [plain(v) for v in frame[c].astype(object).where(frame[c].notna(), None).tolist()] for c in frame.columns}
    cases[name] = columns


c = pl.col
# rows
case("filter", a.filter((c("x") > 8) & (c("k") != "a")))
case("filter int", a.filter(c("n") >= -3.5))
case("sort", a.sort("k", "x", descending=[False, True], nulls_last=True, maintain_order=True).select("id", "k", "x"))
case("slice", a.slice(17, 9))
case("tail", a.tail(7))
case("distinct first", a.unique(["k", "g"], keep="first", maintain_order=True))
case("distinct last", pa_.drop_duplicates(["k", "g"], keep="last"))
case("drop null", a.drop_nulls(["x", "n"]))
case("fill null", a.with_columns(c("x").fill_null(0.5), c("n").fill_null(7), c("k").fill_null("none")))
case("union", pl.concat([a.select("g", "w"), b.select("g", "w", "label")], how="diagonal"))
# group by, sorted by keys with nulls last
G = a.group_by("k")
figures = [
    pl.len().alias("rows"), c("x").count().alias("count"), c("x").sum().alias("sum"), c("n").sum().alias("nsum"),
    c("b").sum().alias("bsum"), c("x").mean().alias("mean"), c("n").min().alias("min"), c("x").max().alias("max"),
    c("x").std().alias("std"), c("x").var().alias("variance"), c("x").median().alias("median"),
    c("x").quantile(0.9, interpolation="linear").alias("q90"), c("x").null_count().alias("nulls"),
    c("g").n_unique().alias("unique"), c("x").first().alias("first"), c("x").last().alias("last"),
    c("n").cast(pl.Float64).product().alias("product"), c("b").any().alias("any"), c("b").all().alias("all"),
    c("x").filter(c("g") > 3).mean().alias("some"),
    pl.corr("x", "w").alias("corr"),
]
case("group by", G.agg(figures).sort("k", nulls_last=True))
case("group by two", a.group_by("k", "g").agg(c("x").sum().alias("sum"), pl.len().alias("rows")).sort("k", "g", nulls_last=True))
case("agg", a.select(figures[:20]))
case("shape of", pa_.groupby("g", as_index=False).agg(skew=("x", "skew"), kurtosis=("x", lambda s: s.kurt())))
case("weighted", pa_.dropna(subset=["x"]).groupby("g").apply(lambda d: pd.Series({"mean": np.average(d["x"], weights=d["w"]), "cov": d["x"].cov(d["w"])}), include_groups=False).reset_index())
case("lists", a.group_by("g").agg(c("n").alias("list")).sort("g"))
case("explode", a.group_by("g").agg(c("n").alias("list")).sort("g").explode("list"))
case("max by", a.group_by("g").agg(c("id").filter(c("x").is_not_null()).sort_by(c("x").drop_nulls()).last().alias("best")).sort("g"))
case("mode", pa_.groupby("g")["k"].agg(lambda s: sorted(s.mode())[0]).reset_index())
case("value counts", a.group_by("k").len(name="count").sort(["count", "k"], descending=[True, False], nulls_last=True))
d = pa_[["id", "x", "w", "n"]].describe()
case("describe", pd.DataFrame({"column": d.columns, "count": d.loc["count"].astype(int).values, "mean": d.loc["mean"].values, "std": d.loc["std"].values, "min": d.loc["min"].values, "p25": d.loc["25%"].values, "p50": d.loc["50%"].values, "p75": d.loc["75%"].values, "max": d.loc["max"].values}))
# joins
for how, name in [("inner", "inner"), ("left", "left"), ("full", "outer"), ("right", "right")]:
    case(f"join {name}", a.select("id", "g", "w").join(b.select("g", "label", "w"), on="g", how=how, coalesce=True).sort("id", "g", nulls_last=True).select("id", "g", "w", "label", "w_right"))
case("join semi", a.join(b, on="g", how="semi"))
case("join anti", a.join(b, on="g", how="anti"))
case("join null keys", a.select("id", "k").join(pl.DataFrame({"k": ["a", None], "z": [1, 2]}), on="k", how="left").sort("id"))
for direction in ["backward", "forward", "nearest"]:
    case(f"asof {direction}", pd.merge_asof(pa_[["id", "t"]], pb_[["t", "label"]], on="t", direction=direction))
case("asof tolerance", pd.merge_asof(pa_[["id", "t"]], pb_[["t", "label"]], on="t", tolerance=pd.Timedelta("12h")))
case("asof by", pd.merge_asof(pa_[["id", "g", "t"]], pb_[["t", "g", "label"]], on="t", by="g"))
# windows
o = a.sort("t", "id")
over = dict(partition_by="g", order_by=["t", "id"])
case("window shift", a.select("id", c("x").shift(1).over(**over).alias("lag"), c("x").shift(-2).over(**over).alias("lead"), (c("x") - c("x").shift(1)).over(**over).alias("diff"), c("x").forward_fill().over(**over).alias("ffill"), c("x").backward_fill().over(**over).alias("bfill")))
case("window running", a.select("id", c("x").cum_sum().over(**over).alias("sum"), c("n").cum_max().over(**over).alias("max"), c("n").cum_min().over(**over).alias("min"), c("x").cum_count().over(**over).alias("count")))
case("window rank", a.select("id", *[c("n").rank(m).over("g").alias(m) for m in ["min", "max", "dense", "average"]]).filter(a["n"].is_not_null()))
case("window group", a.select("id", c("x").mean().over("g").alias("mean"), c("x").sum().over("k").alias("sum")))
p = pa_.sort_values(["t", "id"]).set_index("t")
case("rolling rows", pa_.assign(mean=pa_["x"].rolling(5).mean(), sum2=pa_["x"].rolling(5, min_periods=2).sum(), std=pa_["x"].rolling(6, min_periods=3).std(), max=pa_["n"].rolling(4, min_periods=1).max(), median=pa_["x"].rolling(7, min_periods=4).median(), centred=pa_["x"].rolling(5, min_periods=1, center=True).mean())[["id", "mean", "sum2", "std", "max", "median", "centred"]])
case("rolling time", pa_.assign(sum=pa_.rolling("2D", on="t")["x"].sum(), count=pa_.rolling("36h", on="t")["x"].count())[["id", "sum", "count"]].drop_duplicates() )
case("rolling by group", a.select("id", c("x").rolling_mean(3, min_samples=2).over(**over).alias("mean")))
case("pct change", a.with_columns(v=c("w")).select("id", c("w").pct_change().alias("pct")))
# reshape
wide = {f: a.pivot("g", index="k", values="id" if f == "len" else "x", aggregate_function=f, sort_columns=True).sort("k", nulls_last=True) for f in ["sum", "len"]}
# Polars sums a cell without rows to 0; a frame has no value there, as pandas has none.
case("pivot", wide["sum"].with_columns(pl.when(wide["len"][name].fill_null(0) > 0).then(c(name)).alias(name) for name in wide["sum"].columns[1:]))
case("pivot mean", pa_.dropna(subset=["k", "x"]).pivot_table(index="k", columns="g", values="x", aggfunc="mean").reset_index().rename(columns=str).sort_values("k"))
case("unpivot", pl.concat([a.select("id", pl.lit(name).alias("variable"), c(name).alias("value")) for name in ["x", "w"]]).sort("id", maintain_order=True))
case("cut", pa_.assign(bin=pd.cut(pa_["x"], [0, 5, 10, 20], labels=["low", "mid", "high"]).astype(object))[["id", "bin"]])
case("cut left", pa_.assign(bin=pd.cut(pa_["x"], [0, 5, 10, 20], right=False).astype(str).str.replace(".0", "", regex=False).replace("nan", None))[["id", "bin"]])
case("quantiles", pl.DataFrame({"q": [a["x"].quantile(q, interpolation="linear") for q in [0, 0.1, 0.25, 0.5, 0.99, 1]]}))
# dates in a zone
z = c("t").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
case("zones", a.select("id", z.dt.hour().alias("hour"), z.dt.weekday().alias("weekday"), c("t").dt.truncate("1d").alias("day")))

with open(os.path.join(HERE, "cases.json"), "w") as f:
    json.dump({"left": A, "right": B, "cases": cases}, f, ensure_ascii=False, separators=(",", ":"))
    f.write("\n")
print(len(cases), "cases", os.path.getsize(os.path.join(HERE, "cases.json")))
