"""Deequ by its Python client, on Spark in this machine's processors: one check with all constraints, so that what can share a scan does."""

import os

os.environ["SPARK_VERSION"] = "3.5"

import time

from pydeequ.checks import Check, CheckLevel
from pydeequ.verification import VerificationResult, VerificationSuite
from pyspark.sql import SparkSession

from figures import THREADS, arguments, emit
from tree import cpu_seconds, peak_mb

asked = arguments()
DEEQU = "com.amazon.deequ:deequ:2.0.7-spark-3.5"

spark = (
    SparkSession.builder.master(f"local[{THREADS}]")
    .config("spark.jars.packages", DEEQU)
    .config("spark.jars.excludes", "net.sourceforge.f2j:arpack_combined_all")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", str(2 * THREADS))
    .config("spark.driver.memory", "4g")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
jvm = spark._jvm.java.lang.ProcessHandle.current().pid()


def literal(value):
    return f"timestamp '{value}'" if isinstance(value, str) else repr(value)


def constrain(check, asked_check):
    column, kind = asked_check["column"], asked_check["kind"]
    if kind == "filled":
        return check.isComplete(column)
    if kind == "unique":
        return check.isUnique(column)
    if kind == "range":
        low, high = literal(asked_check["min"]), literal(asked_check["max"])
        return check.satisfies(
            f"{column} is null or {column} between {low} and {high}", f"range {column}", lambda x: x == 1.0
        )
    if kind == "set":
        values = ", ".join(repr(v) for v in asked_check["values"])
        return check.satisfies(f"{column} is null or {column} in ({values})", f"set {column}", lambda x: x == 1.0)
    if kind == "pattern":
        text = asked_check["pattern"].replace("\\", "\\\\")
        return check.satisfies(f"{column} is null or {column} rlike '{text}'", f"pattern {column}", lambda x: x == 1.0)
    low, high = asked_check["min"], asked_check["max"]
    return check.hasApproxQuantile(column, asked_check["q"], lambda x: low <= x <= high)


before = cpu_seconds(jvm), cpu_seconds(os.getpid()), time.perf_counter()
frame = spark.read.parquet(asked["file"])
check = Check(spark, CheckLevel.Error, "orders")
for one in asked["checks"]:
    check = constrain(check, one)
result = VerificationSuite(spark).onData(frame).addCheck(check).run()
rows = VerificationResult.checkResultsAsDataFrame(spark, result).collect()
metrics = VerificationResult.successMetricsAsDataFrame(spark, result).collect()
after = cpu_seconds(jvm), cpu_seconds(os.getpid()), time.perf_counter()

n = frame.count()
values = {(m["name"], m["instance"]): m["value"] for m in metrics}
NAMES = {"filled": "Completeness", "unique": "Uniqueness"}
verdicts = []
for one, row in zip(asked["checks"], rows):
    verdict = {"pass": row["constraint_status"] == "Success"}
    kind = one["kind"]
    if kind != "quantile":
        name, instance = NAMES.get(kind, "Compliance"), one["column"] if kind in NAMES else f"{kind} {one['column']}"
        verdict["failed"] = round((1 - values[(name, instance)]) * n)
    verdicts.append(verdict)
emit(
    version="1.4.0 (Deequ 2.0.7)",
    cpu=after[0] - before[0] + after[1] - before[1],
    wall=after[2] - before[2],
    mb=peak_mb(jvm),
    verdicts=verdicts,
)
# The client's server for calls from the JVM would keep this process alive.
spark.sparkContext._gateway.shutdown_callback_server()
spark.stop()
