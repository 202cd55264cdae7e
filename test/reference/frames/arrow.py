"""`arrow.py <stream of Arrow that test/frame/arrow.test.ts wrote>`: reads it with pyarrow, checks it in full and writes arrow.json. See SOURCE.md."""

import datetime
import hashlib
import json
import os
import sys

import pyarrow.ipc as ipc

raw = open(sys.argv[1], "rb").read()
table = ipc.open_stream(raw).read_all()
table.validate(full=True)
expected = ["int64", "double", "string", "bool", "timestamp[us]", "date32[day]"]
assert [str(t) for t in table.schema.types] == expected, table.schema


def plain(value):
    if isinstance(value, datetime.datetime):
        return round(value.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
    if isinstance(value, datetime.date):
        return value.toordinal() * 86_400_000 - datetime.date(1970, 1, 1).toordinal() * 86_400_000
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


columns = {name: [plain(v) for v in values] for name, values in table.to_pydict().items()}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "arrow.json"), "w") as f:
    json.dump({"sha256": hashlib.sha256(raw).hexdigest(), "columns": columns}, f, ensure_ascii=False, separators=(",", ":"))
    f.write("\n")
