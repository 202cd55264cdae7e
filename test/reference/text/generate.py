"""Reads the text files of messytables' "horror" with Python's csv module, each as a person who looked at it would say it is to be read, and records what is in them.
`python generate.py <folder with the files>`, in this folder."""
import csv, json, sys
from pathlib import Path

folder = Path(sys.argv[1])
# file → encoding, delimiter, lines above the names (None: no names), rows at the end that are left out
FILES = {
    "211.csv": ("latin-1", ",", 0),
    "characters.csv": ("big5", ",", 0),
    "complex.csv": ("ascii", ",", 0),
    "example.tsv": ("ascii", "\t", 0),
    "excel_pasting.csv": ("ascii", ",", 3),
    "long.csv": ("ascii", ",", None),
    "mixedGLB.csv": ("ascii", ",", 3),
    "null.csv": ("ascii", ",", None),
    "simple.csv": ("ascii", ",", 0),
    "simple.psv": ("ascii", "|", 0),
    "simple.ssv": ("ascii", ";", 0),
    "skip_initials.csv": ("ascii", ",", 0),
    "small.csv": ("ascii", ",", None),
    "spanish_chars.csv": ("latin-1", ",", 0),
    "sparse_with_column_errors.csv": ("latin-1", ",", 0),
    "utf-16le_encoded.csv": ("utf-16", ",", 0),
    "utf8bom.csv": ("utf-8-sig", ",", 0),
}
csv.field_size_limit(10_000_000)
table = {}
for name, (encoding, delimiter, above) in FILES.items():
    text = (folder / name).read_bytes().decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    rows = [r for r in csv.reader(text.split("\n") if '"' not in text else text.splitlines(keepends=True), delimiter=delimiter, skipinitialspace=True)]
    if above is not None: names, rows = [c.strip() for c in rows[above]], rows[above + 1:]
    else: names = []
    rows = [r for r in rows if any(c.strip() for c in r)]
    width = max(len(names), max((len(r) for r in rows), default=0))
    short = lambda r: [c.strip()[:40] for c in r][:6]
    table[name] = {"names": names[:6], "columns": width, "rows": len(rows), "first": short(rows[0]) if rows else None, "last": short(rows[-1]) if rows else None}
Path("horror.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
