"""Writes rows.csv, suite.json and results.json: what Great Expectations counts on small rows by each expectation of a suite."""

import json
import tempfile

import great_expectations as gx
import pandas as pd

N = 60
rows = pd.DataFrame(
    {
        "id": [i if i != 31 else 30 for i in range(N)],
        "name": [["Ada", "Bob", "Cleo", "Dan", "Eve"][i % 5] if i % 11 else None for i in range(N)],
        "age": [(i * 7) % 90 + (40 if i == 13 else 0) for i in range(N)],
        "score": [round(i * 1.5 - 3, 2) if i % 9 else None for i in range(N)],
        "low": [i % 10 for i in range(N)],
        "high": [i % 10 + (i % 3) - (1 if i % 20 == 0 else 0) for i in range(N)],
        "code": [f"AB-{100 + i}" if i % 7 else f"ab_{i}" for i in range(N)],
        "day": [f"2024-0{i % 9 + 1}-1{i % 10}" if i % 13 else f"{i}/01/2024" for i in range(N)],
        "total": [2 * (i % 10) + (i % 3) - (1 if i % 20 == 0 else 0) + (1 if i == 50 else 0) for i in range(N)],
    }
)

E = lambda kind, **kwargs: {"expectation_type": kind, "kwargs": kwargs, "meta": {}}  # noqa: E731
SUITE = [
    E("expect_column_values_to_not_be_null", column="name"),
    E("expect_column_values_to_not_be_null", column="name", mostly=0.9),
    E("expect_column_values_to_not_be_null", column="name", mostly=0.95),
    E("expect_column_values_to_be_unique", column="id"),
    E("expect_column_values_to_be_between", column="age", min_value=0, max_value=80),
    E("expect_column_values_to_be_between", column="age", min_value=7, max_value=84, strict_min=True, strict_max=True),
    E("expect_column_values_to_be_between", column="score", min_value=0),
    E("expect_column_values_to_be_between", column="score", min_value=0, mostly=0.9),
    E("expect_column_values_to_be_in_set", column="name", value_set=["Ada", "Bob", "Cleo"]),
    E("expect_column_values_to_not_be_in_set", column="name", value_set=["Eve"]),
    E("expect_column_values_to_be_null", column="name"),
    E("expect_column_value_lengths_to_be_between", column="name", min_value=3, max_value=3),
    E("expect_column_value_lengths_to_equal", column="name", value=4),
    E("expect_column_values_to_match_regex", column="code", regex="^[A-Z]{2}-[0-9]+$"),
    E("expect_column_values_to_match_regex", column="code", regex="[0-9]{3}"),
    E("expect_column_values_to_not_match_regex", column="code", regex="_"),
    E("expect_column_values_to_match_regex_list", column="code", regex_list=["^AB", "5$"], match_on="any"),
    E("expect_column_values_to_match_regex_list", column="code", regex_list=["^AB", "5$"], match_on="all"),
    E("expect_column_values_to_not_match_regex_list", column="code", regex_list=["^ab", "5$"]),
    E("expect_column_values_to_match_strftime_format", column="day", strftime_format="%Y-%m-%d"),
    E("expect_column_pair_values_to_be_equal", column_A="low", column_B="high"),
    E("expect_column_pair_values_a_to_be_greater_than_b", column_A="high", column_B="low", or_equal=True),
    E("expect_column_pair_values_a_to_be_greater_than_b", column_A="high", column_B="low"),
    E("expect_compound_columns_to_be_unique", column_list=["low", "high"]),
    E("expect_select_column_values_to_be_unique_within_record", column_list=["low", "high"]),
    E("expect_column_values_to_be_between", column="age", max_value=80, row_condition='low > 5 and name == "Bob"', condition_parser="pandas"),
    E("expect_column_values_to_be_in_set", column="name", value_set=["Ada"], row_condition="age < 20", condition_parser="pandas"),
    E("expect_column_max_to_be_between", column="age", min_value=80, max_value=90),
    E("expect_column_min_to_be_between", column="age", min_value=0, max_value=0),
    E("expect_column_mean_to_be_between", column="age", min_value=40, max_value=50),
    E("expect_column_median_to_be_between", column="low", min_value=5, max_value=9),
    E("expect_column_stdev_to_be_between", column="age", min_value=20, max_value=30),
    E("expect_column_sum_to_be_between", column="low", min_value=270, max_value=270),
    E("expect_column_unique_value_count_to_be_between", column="name", min_value=5, max_value=5),
    E("expect_column_proportion_of_unique_values_to_be_between", column="id", min_value=0.99, max_value=1),
    E("expect_column_distinct_values_to_be_in_set", column="name", value_set=["Ada", "Bob", "Cleo", "Dan", "Eve"]),
    E("expect_table_row_count_to_be_between", min_value=10, max_value=60),
    E("expect_table_row_count_to_equal", value=59),
]

context = gx.get_context(project_root_dir=tempfile.mkdtemp())
request = context.sources.add_pandas("p").add_dataframe_asset("f").build_batch_request(dataframe=rows)
suite = context.add_expectation_suite("reference")
for one in SUITE:
    suite.add_expectation(gx.core.ExpectationConfiguration(**one), match_type="runtime", overwrite_existing=False)
validator = context.get_validator(batch_request=request, expectation_suite_name="reference")
results = []
for one in SUITE:
    method = getattr(validator, one["expectation_type"])
    result = method(**one["kwargs"], result_format={"result_format": "COMPLETE"})
    found = result.result
    results.append({"success": result.success, "unexpected": found.get("unexpected_count"), "observed": found.get("observed_value")})

rows.to_csv("rows.csv", index=False)
json.dump({"expectation_suite_name": "reference", "expectations": SUITE, "meta": {"great_expectations_version": gx.__version__}}, open("suite.json", "w"), indent=1)
json.dump(results, open("results.json", "w"), indent=1, default=str)
