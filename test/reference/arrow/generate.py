"""Writes Arrow IPC streams and files of all types with pyarrow, and what is in them as JSON. `python generate.py`, in this folder."""
import base64, datetime as dt, decimal, json
import pyarrow as pa
import pyarrow.ipc as ipc

D = decimal.Decimal
n = None
cols = {
    "null": pa.nulls(4),
    "bool": pa.array([True, n, False, True]),
    **{f"i{b}": pa.array([-(2 ** (b - 1)), n, 0, 2 ** (b - 1) - 1], getattr(pa, f"int{b}")()) for b in (8, 16, 32, 64)},
    **{f"u{b}": pa.array([0, n, 1, 2 ** b - 1], getattr(pa, f"uint{b}")()) for b in (8, 16, 32, 64)},
    "f16": pa.array([1.5, n, -0.00006103515625, 65504.0], pa.float16()),
    "f32": pa.array([1.5, n, -0.25, 16777216.0], pa.float32()),
    "f64": pa.array([0.1, n, -1e300, 5e-324], pa.float64()),
    "text": pa.array(["", n, "ü\u2028\U0001F600", "x" * 40]),
    "large_text": pa.array(["a", n, "", "bc"], pa.large_string()),
    "text_view": pa.array(["short", n, "twelve bytes", "more than twelve bytes of text"], pa.string_view()),
    "bytes": pa.array([b"\x00\xff", n, b"", b"abc"], pa.binary()),
    "fixed": pa.array([b"abc", n, b"\x00\x01\x02", b"xyz"], pa.binary(3)),
    "d32": pa.array([D("1.50"), n, D("-0.01"), D("9999999.99")], pa.decimal32(9, 2)),
    "d128": pa.array([D("1.5"), n, D("-12345678901234567890.1"), D("0.0")], pa.decimal128(30, 1)),
    "d256": pa.array([D("1.5"), n, D("-0.5"), D("123456789012345678901234567890123456789.5")], pa.decimal256(60, 1)),
    "date32": pa.array([dt.date(1970, 1, 1), n, dt.date(1582, 10, 15), dt.date(9999, 12, 31)], pa.date32()),
    "date64": pa.array([dt.date(1970, 1, 2), n, dt.date(1969, 12, 31), dt.date(2024, 2, 29)], pa.date64()),
    **{f"ts_{u}": pa.array([0, n, -1, 981173106], pa.timestamp(u)) for u in ("s",)},
    "ts_ms": pa.array([0, n, -1, 981173106789], pa.timestamp("ms")),
    "ts_us": pa.array([0, n, -1, 981173106789012], pa.timestamp("us", tz="Europe/Berlin")),
    "ts_ns": pa.array([0, n, -1, 981173106789012345], pa.timestamp("ns")),
    "time32": pa.array([0, n, 1, 86399], pa.time32("s")),
    "time64": pa.array([0, n, 1, 86399999999], pa.time64("us")),
    "duration": pa.array([0, n, -1500, 90000], pa.duration("ms")),
    "months": pa.array([(0, 0, 0), n, (14, 3, 1500000000), (-1, 0, 0)], pa.month_day_nano_interval()),
    "list": pa.array([[1, n, 3], n, [], [4]], pa.list_(pa.int32())),
    "large_list": pa.array([["a"], n, [], [n, "b"]], pa.large_list(pa.string())),
    "list_view": pa.array([[1, 2], n, [], [3]], pa.list_view(pa.int16())),
    "fixed_list": pa.array([[1, 2], n, [3, n], [5, 6]], pa.list_(pa.int8(), 2)),
    "struct": pa.array([{"a": 1, "b": "x"}, n, {"a": n, "b": "y"}, {"a": 3, "b": n}]),
    "map": pa.array([[("k", 1)], n, [], [("a", n), ("b", 2)]], pa.map_(pa.string(), pa.int64())),
    "dict": pa.array(["red", n, "blue", "red"]).dictionary_encode(),
    "deep": pa.array([[{"at": [dt.date(2001, 1, 1)]}], n, [], [{"at": n}]]),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 4], pa.int32()), pa.array(["a", n, "b"])),
    "sparse": pa.UnionArray.from_sparse(pa.array([0, 0, 1, 1], pa.int8()), [pa.array([1, n, 0, 0]), pa.array(["", "", "s", "t"])]),
    "dense": pa.UnionArray.from_dense(pa.array([0, 0, 1, 1], pa.int8()), pa.array([0, 1, 0, 1], pa.int32()), [pa.array([1, n]), pa.array(["s", "t"])]),
}
table = pa.table(cols)

def instant(us):
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=us)).isoformat(sep=" ", timespec="microseconds")

def plain(v, t):
    """As rows have it: see src/data/arrow/plain.ts."""
    if v is None: return None
    if pa.types.is_dictionary(t): return plain(v, t.value_type)
    if pa.types.is_run_end_encoded(t): return plain(v, t.value_type)
    if pa.types.is_decimal(t): return float(v)
    if pa.types.is_integer(t) and abs(v) > 2 ** 53 - 1: return {"big": str(v)}
    if pa.types.is_binary(t) or pa.types.is_fixed_size_binary(t): return v.hex()
    if pa.types.is_date(t): return v.isoformat()
    if pa.types.is_map(t): return [{"key": k, "value": plain(x, t.item_type)} for k, x in v]
    if pa.types.is_struct(t): return {f.name: plain(v[f.name], f.type) for f in t}
    if isinstance(v, list): return [plain(x, t.value_type) for x in v]
    return v

# What pyarrow's Python values have no exact form for, from the raw numbers above.
RAW = {
    "ts_s": [instant(0), n, instant(-1_000_000), instant(981173106_000_000)],
    "ts_ms": [instant(0), n, instant(-1_000), instant(981173106789_000)],
    "ts_us": [instant(0), n, instant(-1), instant(981173106789012)],
    "ts_ns": [instant(0), n, instant(-1), instant(981173106789012)],
    "time32": ["00:00:00.000000", n, "00:00:01.000000", "23:59:59.000000"],
    "time64": ["00:00:00.000000", n, "00:00:00.000001", "23:59:59.999999"],
    "duration": ["PT0S", n, "PT-1.5S", "PT90S"],
    "months": ["PT0S", n, "P14M3DT1.5S", "P-1M"],
    "sparse": [1, n, "s", "t"],
    "dense": [1, n, "s", "t"],
}
expected = {c: RAW.get(c) or [plain(v, table.schema.field(c).type) for v in table[c].to_pylist()] for c in table.column_names}

def packed(write):
    sink = pa.BufferOutputStream()
    write(sink)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()

def stream(t, rows=3, **options):
    def write(sink):
        with ipc.new_stream(sink, t.schema, options=ipc.IpcWriteOptions(**options)) as w: w.write_table(t, max_chunksize=rows)
    return packed(write)

def file(t, **options):
    def write(sink):
        with ipc.new_file(sink, t.schema, options=ipc.IpcWriteOptions(**options)) as w: w.write_table(t, max_chunksize=3)
    return packed(write)

# Dictionaries that grow and are replaced between batches.
growing = [pa.record_batch([pa.DictionaryArray.from_arrays(pa.array(i, pa.int8()), pa.array(d))], names=["c"])
           for i, d in [([0, 1], ["a", "b"]), ([2, 0], ["a", "b", "c"]), ([1, n], ["x", "y"])]]
def deltas(sink):
    with ipc.new_stream(sink, growing[0].schema, options=ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as w:
        for b in growing: w.write_batch(b)

long = pa.table({"n": pa.array(range(20_000), pa.int64()), "t": pa.array([f"text number {i % 100}" for i in range(20_000)])})
fixture = {
    "pyarrow": pa.__version__,
    "columns": expected,
    "streams": {
        "plain": stream(table), "lz4": stream(table, compression="lz4"), "zstd": stream(table, compression="zstd"),
        "old": stream(table.select(["bool", "i32", "text"]), use_legacy_format=True),
        "signed": file(table.drop_columns(["u64"]), compression="zstd"),
        "file": file(table), "file_zstd": file(table, compression="zstd"),
    },
    "growing": {"bytes": packed(deltas), "values": ["a", "b", "c", "a", "y", n]},
    "long": {"lz4": stream(long, rows=15_000, compression="lz4"), "rows": 20_000, "sum": sum(range(20_000)), "last": "text number 99"},
}
with open("pyarrow.json", "w") as f: json.dump(fixture, f, separators=(",", ":"), ensure_ascii=True)
