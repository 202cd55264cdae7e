"""Checks that the onboarding assistant of Great Expectations 0.18 finds for a file, and which cells of the file they find at fault."""

import contextlib
import os
import sys
import tempfile

import great_expectations as gx
import pandas as pd
from figures import arguments, cpu, emit

asked = arguments()
texts = pd.read_csv(asked["fit"], dtype=str, keep_default_na=False)
frame = pd.read_csv(asked["fit"], skipinitialspace=True)

with contextlib.redirect_stdout(sys.stderr), open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
    context = gx.get_context(project_root_dir=tempfile.mkdtemp())
    source = context.sources.add_pandas("pandas")
    request = source.add_dataframe_asset("frame").build_batch_request(dataframe=frame)
    with cpu() as spent:
        found = context.assistants.onboarding.run(batch_request=request)
    suite = found.get_expectation_suite(expectation_suite_name="onboarding")
    context.add_or_update_expectation_suite(expectation_suite=suite)
    validator = context.get_validator(batch_request=request, expectation_suite_name="onboarding")
    results = validator.validate(result_format={"result_format": "COMPLETE"}).results

cells = set()
for result in results:
    column = result.expectation_config.kwargs.get("column")
    for row in result.result.get("unexpected_index_list") or []:
        cells.add(f"{row}:{column}")
emit(suggested=len(results), failing=sum(not r.success for r in results), cells=sorted(cells), cpu=spent["cpu"])
