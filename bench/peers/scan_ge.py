"""Great Expectations on a pandas data frame, as its documents show for files on one machine: one suite, one validation, counts and no lists of rows."""

import os
import warnings

os.environ["GX_ANALYTICS_ENABLED"] = "false"
warnings.filterwarnings("ignore")

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

from figures import arguments, cpu, emit
from tree import peak_mb

asked = arguments()


def bound(value):
    return pd.Timestamp(value) if isinstance(value, str) else value


def expectation(check):
    column, kind = check["column"], check["kind"]
    if kind == "filled":
        return gxe.ExpectColumnValuesToNotBeNull(column=column)
    if kind == "unique":
        return gxe.ExpectColumnValuesToBeUnique(column=column)
    if kind == "range":
        return gxe.ExpectColumnValuesToBeBetween(
            column=column, min_value=bound(check["min"]), max_value=bound(check["max"])
        )
    if kind == "set":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=check["values"])
    if kind == "pattern":
        return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=check["pattern"])
    return quantiles(column)


def quantiles_of(column):
    return [one for one in asked["checks"] if one["kind"] == "quantile" and one["column"] == column]


# All of a column together: 1.24.1 answers a second expectation of other quantiles with the values of the first.
def quantiles(column):
    ranges = [[one["min"], one["max"]] for one in quantiles_of(column)]
    return gxe.ExpectColumnQuantileValuesToBeBetween(
        column=column,
        quantile_ranges={"quantiles": [one["q"] for one in quantiles_of(column)], "value_ranges": ranges},
    )


def key(config):
    kwargs = config["kwargs"] if isinstance(config, dict) else config.kwargs
    kind = config["type"] if isinstance(config, dict) else config.type
    return (kind, kwargs["column"], str(kwargs.get("quantile_ranges", "")))


context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}

with cpu() as spent:
    frame = pd.read_parquet(asked["file"])
    frame["born"] = pd.to_datetime(frame["born"])
    batch = (
        context.data_sources.add_pandas("orders")
        .add_dataframe_asset("orders")
        .add_batch_definition_whole_dataframe("all")
    )
    once = {key(one.configuration): one for one in (expectation(check) for check in asked["checks"])}
    expectations = list(once.values())
    suite = gx.ExpectationSuite(name="orders", expectations=expectations)
    result = batch.get_batch(batch_parameters={"dataframe": frame}).validate(
        suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 0}
    )


found = {}
for one in result.results:
    found[key(one.expectation_config)] = one
verdicts = []
for check in asked["checks"]:
    one = found[key(expectation(check).configuration)]
    verdict = {"pass": bool(one.success)}
    if check["kind"] == "quantile":
        place = [other["q"] for other in quantiles_of(check["column"])].index(check["q"])
        verdict["pass"] = bool(one.result["details"]["success_details"][place])
    if "unexpected_count" in one.result:
        verdict["failed"] = int(one.result["unexpected_count"])
    verdicts.append(verdict)
emit(version=gx.__version__, cpu=spent["cpu"], wall=spent["wall"], mb=peak_mb(os.getpid()), verdicts=verdicts)
