"""Records of the record sets of Croissant documents as mlcroissant reads them.

usage: theirs.py <folder of datasets> <out.json>
"""
import json
import logging
import math
import pathlib
import sys

import mlcroissant as mlc

logging.basicConfig(level=logging.ERROR)
FIRST = 40
FILES = {".json"}


def plain(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if hasattr(value, "item"):
        return plain(value.item())
    return str(value)


def read(path, name):
    try:
        rows = 0
        first = []
        for record in mlc.Dataset(jsonld=str(path)).records(record_set=name):
            rows += 1
            if len(first) < FIRST:
                first.append({key.removeprefix(f"{name}/"): plain(one) for key, one in record.items()})
        return {"rows": rows, "first": first}
    except Exception as error:  # what it refuses is kept as its kind
        return {"error": type(error).__name__}


root = pathlib.Path(sys.argv[1])
out = {}
for path in sorted(root.glob("*/*.json")):
    if path.suffix not in FILES:
        continue
    try:
        sets = [one.id for one in mlc.Dataset(jsonld=str(path)).metadata.record_sets]
    except Exception as error:
        out[f"{path.relative_to(root)}"] = {"error": type(error).__name__}
        continue
    if "wiki-text" in str(path) or "huggingface" in str(path):
        sets = [one for one in sets if one == "split_enums"]
    for name in sets:
        out[f"{path.relative_to(root)}#{name}"] = read(path, name)
pathlib.Path(sys.argv[2]).write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")
for key, value in out.items():
    print(key, value.get("error", value.get("rows")))
