"""One table in many encodings, with and without a byte-order mark, by Python's codecs. `python encodings.py`, in this folder."""
import base64, json

western = "name;café;n\nZoë;naïve;1\nJosé;über;2\nAna;“quoted” – dash;3\n"
plain_western = "name;café;n\nZoë;naïve;1\nJosé;über;2\n"
chinese = "名稱,數量\n景點中文名稱,1\n開放時間,2\n管理權責單位代碼,3\n"
japanese = "名前,数\nこれは日本語のテキストです,1\nカタカナもあります,2\n"
korean = "이름,수\n안녕하세요 여러분,1\n한국어 문장입니다,2\n"
BOM = "\ufeff"
FILES = [
    ("utf-8", western, "utf-8"), ("utf-8 with mark", BOM + western, "utf-8"),
    ("utf-16le", BOM + western, "utf-16-le"), ("utf-16be", BOM + western, "utf-16-be"),
    ("utf-16le without mark", western, "utf-16-le"), ("utf-16be without mark", western, "utf-16-be"),
    ("utf-32le", BOM + western, "utf-32-le"), ("utf-32be", BOM + western, "utf-32-be"),
    ("utf-32le without mark", western, "utf-32-le"), ("utf-32be without mark", western, "utf-32-be"),
    ("windows-1252", western, "cp1252"), ("latin-1", plain_western, "latin-1"),
    ("big5", chinese, "big5"), ("shift_jis", japanese, "shift_jis"), ("euc-kr", korean, "euc_kr"), ("gb18030", chinese, "gb18030"),
]
out = [{"name": n, "bytes": base64.b64encode(t.encode(e)).decode(), "text": t.lstrip(BOM)} for n, t, e in FILES]
with open("encodings.json", "w") as f: json.dump(out, f, indent=1, ensure_ascii=False); f.write("\n")
