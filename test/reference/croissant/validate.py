"""Validates Croissant documents by mlcroissant and prints the records that it reads by them.

usage: validate.py <folder with croissant.json and its files> ...
"""
import importlib.metadata
import json
import logging
import sys

import mlcroissant as mlc

logging.basicConfig(level=logging.WARNING)

print("mlcroissant", importlib.metadata.version("mlcroissant"), "python", sys.version.split()[0])
for folder in sys.argv[1:]:
    dataset = mlc.Dataset(jsonld=f"{folder}/croissant.json")
    issues = dataset.metadata.ctx.issues
    print(folder.rstrip("/").split("/")[-1], "errors", sorted(issues.errors), "warnings", sorted(issues.warnings))
    for record in dataset.records(record_set="rows"):
        print(json.dumps({k: str(v) for k, v in record.items()}))
