"""Reads `own-*.orc` of a folder with pyarrow (Apache ORC C++) and says what they hold: `ORC_OUT=<folder> npx vitest run test/data/orc/write`, then this with the folder."""
import hashlib, json, sys
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow as pa

record = {}
tables = []
for codec in ["none", "snappy", "lz4"]:
    path = f"{sys.argv[1]}/own-{codec}.orc"
    record[codec] = hashlib.sha256(open(path, "rb").read()).hexdigest()
    tables.append(orc.read_table(path))
assert all(t.equals(tables[0]) for t in tables)
t = tables[0]
total = lambda name, unit=1: str(sum(v for v in t[name].cast(unit if unit != 1 else pa.int64()).to_pylist() if v is not None))
micros = sum(v // 1000 for v in t["at"].cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist() if v is not None)
record["sums"] = {"id": total("id"), "day": str(sum(v for v in t["day"].cast(pa.int32()).to_pylist() if v is not None)), "at": str(micros)}
record["nulls"] = [t[n].null_count for n in t.column_names]
record["tokyo"] = pc.sum(pc.equal(t["word"], "東京")).as_py()
json.dump(record, open("own.json", "w"), indent=1)
print(t.schema, record)
