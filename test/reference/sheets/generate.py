"""Workbooks and a SQLite file with what readers get wrong, and what is in them. `python generate.py`, in this folder."""
import base64, datetime as dt, io, json, os, sqlite3, tempfile
import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904

def book(epoch1904=False):
    wb = openpyxl.Workbook()
    if epoch1904: wb.epoch = CALENDAR_MAC_1904
    notes = wb.active; notes.title = "Hidden notes"; notes["A1"] = "not these"; notes.sheet_state = "hidden"
    ws = wb.create_sheet("Orders")
    ws["A1"] = "Orders of the year"
    ws.append([]); ws.append(["order", "day", "at", "amount", "paid", "city", "share", "code"])
    rows = [
        [1, dt.date(2001, 3, 31), dt.datetime(2001, 3, 31, 22, 15, 7), 12.5, True, "Zürich", 0.25, "007"],
        [2, dt.date(1999, 12, 31), dt.datetime(1999, 12, 31, 0, 0, 0), -3, False, "Genf", 1, "x"],
        [3, None, None, None, None, None, None, None],
        [4, dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 0, 0), 1e9, True, "Bern", 0.5, "1"],
    ]
    for r in rows: ws.append(r)
    for r in range(4, 8):
        ws.cell(r, 2).number_format = "dd.mm.yyyy"; ws.cell(r, 3).number_format = "yyyy-mm-dd hh:mm:ss"; ws.cell(r, 7).number_format = "0%"
    ws.merge_cells("F5:F6")
    other = wb.create_sheet("Other"); other.append(["a", "b"]); other.append([1, 2])
    out = io.BytesIO(); wb.save(out)
    return base64.b64encode(out.getvalue()).decode()

def sqlite(two):
    path = os.path.join(tempfile.mkdtemp(), "x.db")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, day DATE, at TIMESTAMP, ok BOOLEAN, amount NUMERIC, big INTEGER, mixed, raw BLOB, note TEXT)")
    db.executemany("INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?)", [
        (1, "2001-03-31", "2001-03-31 22:15:07.5", 1, 12.5, 2 ** 62, "x", b"\x00\xff", "ü"),
        (2, "1999-12-31", "1999-12-31T00:00:00Z", 0, 3, -1, 5, None, None),
        (3, None, None, None, None, None, None, None, ""),
    ])
    if two: db.execute("CREATE TABLE other (a)"); db.execute("INSERT INTO other VALUES (1)")
    db.commit(); db.close()
    return base64.b64encode(open(path, "rb").read()).decode()

with open("sheets.json", "w") as f:
    json.dump({"openpyxl": openpyxl.__version__, "sqlite": sqlite3.sqlite_version, "book": book(), "mac": book(True), "one": sqlite(False), "two": sqlite(True)}, f, indent=0)
