"""Writes the ORC files of this folder and what they hold, with pyarrow's writer and reader (Apache ORC C++)."""
import datetime, decimal, gzip, json, random
import pyarrow as pa
import pyarrow.orc as orc

random.seed(20240229)
N = 400
CODECS = ["uncompressed", "zlib", "snappy", "lz4", "zstd"]
D = decimal.Decimal
EPOCH = datetime.date(1970, 1, 1)


def maybe(make, share=0.15):
    return [None if random.random() < share else make(i) for i in range(N)]


words = ["", "a", "Zürich", "東京", "🜲 element", "two words", "x" * 70] + [f"word {i}" for i in range(40)]
table = pa.table(
    {
        "flag": pa.array(maybe(lambda i: random.random() < 0.3), pa.bool_()),
        "tiny": pa.array(maybe(lambda i: random.randint(-128, 127)), pa.int8()),
        "small": pa.array(maybe(lambda i: random.randint(-(2**15), 2**15 - 1)), pa.int16()),
        "int": pa.array(maybe(lambda i: random.randint(-(2**31), 2**31 - 1)), pa.int32()),
        "big": pa.array(maybe(lambda i: random.choice([0, 1, -1, 2**63 - 1, -(2**63), random.randint(-(2**62), 2**62)])), pa.int64()),
        "rising": pa.array(range(10_000, 10_000 + 3 * N, 3), pa.int64()),
        "float": pa.array(maybe(lambda i: random.gauss(0, 1e3)), pa.float32()),
        "double": pa.array(maybe(lambda i: random.choice([0.0, -0.0, 1e308, 5e-324, random.gauss(0, 1)])), pa.float64()),
        "text": pa.array(maybe(lambda i: f"{random.choice(words)} {i}"), pa.string()),
        "word": pa.array(maybe(lambda i: random.choice(words)), pa.string()),
        "bytes": pa.array(maybe(lambda i: random.randbytes(i % 9)), pa.binary()),
        "day": pa.array(maybe(lambda i: random.randint(-200_000, 60_000)), pa.date32()),
        "time": pa.array(maybe(lambda i: random.randint(-4_000_000_000, 4_000_000_000) * 10**9 + random.choice([0, 1, 999_999_999, 123_456_000])), pa.timestamp("ns")),
        "instant": pa.array(maybe(lambda i: random.randint(0, 4_000_000_000) * 10**9 + random.choice([0, 500_000_000])), pa.timestamp("ns", tz="UTC")),
        "money": pa.array(maybe(lambda i: D(random.randint(-(10**8), 10**8)).scaleb(-2)), pa.decimal128(12, 2)),
        "wide": pa.array(maybe(lambda i: D(random.randint(-(10**34), 10**34)).scaleb(-10)), pa.decimal128(38, 10)),
        "list": pa.array(maybe(lambda i: [None if j == 2 else random.randint(0, 9) for j in range(i % 5)]), pa.list_(pa.int32())),
        "map": pa.array(maybe(lambda i: [(f"k{j}", random.random()) for j in range(i % 4)]), pa.map_(pa.string(), pa.float64())),
        "struct": pa.array(
            maybe(lambda i: {"a": None if i % 3 == 0 else i, "b": [{"c": random.choice(words)} for _ in range(i % 3)]}),
            pa.struct([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))]),
        ),
    }
)
for codec in CODECS:
    orc.write_table(
        table,
        f"types-{codec}.orc",
        compression=codec,
        row_index_stride=100 if codec != "snappy" else 10_000,
        dictionary_key_size_threshold=0.8 if codec != "uncompressed" else 0,
        compression_block_size=65536,
    )


def plain(value):
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, D):
        return str(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return (value - EPOCH).days
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            return [{"key": plain(k), "value": plain(v)} for k, v in value]
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


read = orc.read_table("types-zlib.orc")
columns = {}
for name in read.column_names:
    column = read[name]
    if pa.types.is_timestamp(column.type):
        values = column.cast(pa.int64()).to_pylist()
    elif pa.types.is_date(column.type):
        values = column.cast(pa.int32()).to_pylist()
    else:
        values = [plain(v) for v in column.to_pylist()]
    # integers beyond a double are texts
    columns[name] = [str(v) if isinstance(v, int) and not isinstance(v, bool) and abs(v) >= 2**53 else v for v in values]
with gzip.GzipFile("types.json.gz", "wb", mtime=0) as file:
    file.write(json.dumps(columns, ensure_ascii=False).encode())

# Integers of every width, in runs of every kind; what they sum to, by place too.
M = 20_000
ints = {"repeats": [i // 7 for i in range(M)], "falling": [10**12 - i * i for i in range(M)], "steady": [5 * i - 7 for i in range(M)]}
for width in [1, 2, 3, 5, 7, 8, 11, 15, 16, 21, 24, 25, 31, 32, 33, 40, 47, 53, 56, 60, 62, 63]:
    ints[f"w{width}"] = [random.getrandbits(width) - (2 ** (width - 1) if i % 2 else 0) for i in range(M)]
ints["outliers"] = [random.randint(0, 200) + (2**40 if i % 97 == 0 else 0) for i in range(M)]
ints["outliersBelow"] = [random.randint(-300, 200) - (2**33 if i % 131 == 0 else 0) for i in range(M)]
numbers = pa.table({k: pa.array([max(-(2**63), min(2**63 - 1, v)) for v in vs], pa.int64()) for k, vs in ints.items()})
small = {k: numbers[k].slice(0, 1_040) for k in numbers.column_names}
orc.write_table(pa.table(small), "integers.orc", compression="zstd", row_index_stride=260, bloom_filter_columns=[1, 3], bloom_filter_fpp=0.01)
sums = {}
for name, column in small.items():
    values = orc.read_table("integers.orc", columns=[name])[name].to_pylist()
    sums[name] = {"sum": str(sum(values)), "byPlace": str(sum((i + 1) * v for i, v in enumerate(values)))}
json.dump(sums, open("integers.json", "w"), indent=1)
