"""`python roundtrip.py write`: theirs.parquet and its values; `python roundtrip.py read <part.parquet>`: what pyarrow reads of a part that the test wrote (PARQUET_OUT=<file>). In this folder."""
import datetime as dt, decimal, hashlib, json, sys
import pyarrow as pa
import pyarrow.parquet as pq

D = decimal.Decimal
n = None

def plain(v):
    if isinstance(v, dt.datetime): return str((v.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1))
    if isinstance(v, dt.date): return v.isoformat()
    if isinstance(v, D): return float(v)
    if isinstance(v, bytes): return v.hex()
    if isinstance(v, int) and not isinstance(v, bool) and abs(v) > 2 ** 53 - 1: return str(v)
    if isinstance(v, list): return [plain(x) for x in v]
    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}
    return v

if sys.argv[1] == "write":
    table = pa.table({
        "bool": pa.array([True, n, False]), "i8": pa.array([-128, n, 127], pa.int8()), "i16": pa.array([-32768, n, 1], pa.int16()),
        "i32": pa.array([-2 ** 31, n, 1], pa.int32()), "i64": pa.array([-2 ** 63, n, 2 ** 63 - 1]), "u32": pa.array([0, n, 2 ** 32 - 1], pa.uint32()),
        "f32": pa.array([1.5, n, -0.25], pa.float32()), "f64": pa.array([0.1, n, -1e300]), "f16": pa.array([1.5, n, 2.0], pa.float16()),
        "text": pa.array(["", n, "ü\U0001F600"]), "dict": pa.array(["a", n, "a"]).dictionary_encode(), "d": pa.array([D("1.50"), n, D("-0.01")], pa.decimal128(9, 2)),
        "day": pa.array([dt.date(1970, 1, 1), n, dt.date(9999, 12, 31)]), "ms": pa.array([0, n, -1], pa.timestamp("ms")), "us": pa.array([0, n, 981173106789012], pa.timestamp("us", tz="UTC")),
        "list": pa.array([[1, n], n, []], pa.list_(pa.int32())), "struct": pa.array([{"a": 1, "b": "x"}, n, {"a": n, "b": "y"}]),
    })
    for version, page, codec in [("1.0", "1.0", "snappy"), ("2.6", "2.0", "zstd"), ("2.6", "1.0", "gzip"), ("2.4", "2.0", "brotli"), ("2.6", "2.0", "lz4"), ("2.6", "1.0", "none")]:
        t = table if version != "1.0" else table.drop_columns(["u32", "f16"])
        pq.write_table(t, f"theirs-{codec}.parquet", version=version, data_page_version=page, compression=codec, row_group_size=2, write_page_index=True, store_schema=False)
    json.dump({c: [plain(v) for v in table[c].to_pylist()] for c in table.column_names}, open("theirs.json", "w"), indent=0)
else:
    table = pq.read_table(sys.argv[2])
    own = {"digest": "sha256:" + hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest(), "types": {f.name: str(f.type) for f in table.schema},
           "columns": {c: [plain(v) for v in table[c].to_pylist()] for c in table.column_names}}
    json.dump(own, open("own.json", "w"), indent=0)
