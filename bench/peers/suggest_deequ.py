"""Checks that Deequ suggests for one file: which of them hold on another, and which cells of the file they find at fault."""

import os
import re
import sys
import traceback

os.environ["SPARK_VERSION"] = "3.5"

import pandas as pd
from figures import arguments, cpu, emit
from pydeequ.checks import Check, CheckLevel
from pydeequ.suggestions import DEFAULT, ConstraintSuggestionRunner
from pydeequ.verification import VerificationResult, VerificationSuite
from pyspark.sql import SparkSession

DEEQU = "com.amazon.deequ:deequ:2.0.7-spark-3.5"
TYPES = {"Integral": r"^[+-]?\d+$", "Fractional": r"^[+-]?(\d+\.?\d*|\.\d+)$", "Boolean": r"^(true|false)$"}


def session():
    return (
        SparkSession.builder.master("local[1]")
        .config("spark.jars.packages", DEEQU)
        .config("spark.jars.excludes", "net.sourceforge.f2j:arpack_combined_all")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.memory", "2g")
        .getOrCreate()
    )


def read(spark, path):
    return spark.read.csv(path, header=True, inferSchema=True, quote='"', escape='"', ignoreLeadingWhiteSpace=True)


def suggested(spark, frame):
    return ConstraintSuggestionRunner(spark).onData(frame).addConstraintRule(DEFAULT()).run()["constraint_suggestions"]


def repaired(code):
    """The code of a suggestion as Python: where a value holds a bracket, PyDeequ closes the list there and leaves the end open."""
    try:
        compile("check" + code, "suggestion", "eval")
        return code
    except SyntaxError:
        whole = re.sub(r'"(?:[^"\\]|\\.)*"', lambda m: m[0].replace("]", ")") if "(" in m[0] else m[0], code)
        return re.sub(r'"\)(?=[,)])', '"]', whole, count=1)


def holding(spark, frame, suggestion):
    """Whether the suggestion holds on another frame, by Deequ's own verification."""
    check = Check(spark, CheckLevel.Error, "held out")
    check = eval("check" + repaired(suggestion["code_for_constraint"]))
    result = VerificationSuite(spark).onData(frame).addCheck(check).run()
    rows = VerificationResult.checkResultsAsDataFrame(spark, result).collect()
    return all(row["constraint_status"] == "Success" for row in rows)


def faults(texts, suggestion):
    """Cells that break the rule of a suggestion: as Deequ's row-level results, on the texts of the file."""
    column, code = suggestion["column_name"], suggestion["code_for_constraint"]
    values = texts[column]
    if code.startswith(".isComplete") or code.startswith(".hasCompleteness"):
        broken = values == ""
    elif code.startswith(".isContainedIn"):
        allowed = set(re.findall(r'"((?:[^"\\]|\\.)*)"', code[code.index("[") : code.rindex("]")]))
        broken = (values != "") & ~values.isin(allowed)
    elif code.startswith(".isNonNegative"):
        broken = pd.to_numeric(values, errors="coerce") < 0
    elif code.startswith(".isUnique"):
        broken = (values != "") & values.duplicated(keep=False)
    elif code.startswith(".hasDataType"):
        pattern = TYPES[re.search(r"ConstrainableDataTypes\.(\w+)", code).group(1)]
        broken = (values != "") & ~values.str.match(pattern)
    else:
        raise ValueError(f"no reading of {code}")
    return [f"{i}:{column}" for i in texts.index[broken]]


def run(spark, asked):
    fit = read(spark, asked["fit"])
    with cpu() as spent:
        found = suggested(spark, fit)
    if asked.get("test"):
        test = read(spark, asked["test"]).cache()
        held = [holding(spark, test, s) for s in found]
        broken = [s["code_for_constraint"] for s, ok in zip(found, held) if not ok]
        emit(suggested=len(found), holding=sum(held), broken=broken, cpu=spent["cpu"])
    else:
        texts = pd.read_csv(asked["fit"], dtype=str, keep_default_na=False)
        cells = sorted({cell for s in found for cell in faults(texts, s)})
        emit(suggested=len(found), cells=cells, cpu=spent["cpu"])


# The thread that answers Deequ's calls keeps the process alive, also when something goes wrong.
try:
    spark = session()
    spark.sparkContext.setLogLevel("ERROR")
    run(spark, arguments())
except Exception:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
os._exit(0)
