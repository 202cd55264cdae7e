"""Which of some paths git ignores, by some files of patterns: `git check-ignore` says so. See SOURCE.md."""

import json
import os
import subprocess
import tempfile

PATHS = [
    "a", "b.txt", "a/b", "a/b/c.txt", "build/x", "src/build/x", "src/build.txt", "foo.log", "logs/foo.log", "logs/keep.log", "logs/deep/keep.log",
    "x y", "x ", "#hash", "!bang", "doc/a.txt", "doc/b/a.txt", "doc/b/c/a.txt", "abc", "abd", "ab-", "ab]", "ab/c", "[x]", "a*b", "a\\b", "é.txt", "日本.txt",
    "temp1", "temp9", "tempA", "data/raw/1.csv", "data/raw/sub/2.csv", "data/keep/3.csv", "data/4.csv", ".hidden", ".hidden/x", "A.TXT", "z/foo/bar", "foo/bar", "foo/z/bar",
    "foo/z/y/bar", "node_modules/p/i.js", "pkg/node_modules/p/i.js", "q/r.tmp", "q/r.tmp.bak", "empty-class", "a-b", "aXb", "a.b", "a+b", "dir/.millraceignore",
]
CASES = [
    {"": "*.txt\n"},
    {"": "/build\n"},
    {"": "build/\n"},
    {"": "*.log\n!keep.log\n"},
    {"": "logs/\n!logs/keep.log\n"},
    {"": "logs/*\n!logs/keep.log\n"},
    {"": "doc/*.txt\n"},
    {"": "doc/**/a.txt\n"},
    {"": "**/build\n"},
    {"": "foo/**\n"},
    {"": "foo/**/bar\n"},
    {"": "**/foo/bar\n"},
    {"": "ab[cd]\n"},
    {"": "ab[!cd]\n"},
    {"": "ab[^c]\n"},
    {"": "ab[]c]\n"},
    {"": "ab[c-]\n"},
    {"": "temp[0-9]\n"},
    {"": "temp[[:digit:]]\n"},
    {"": "temp[[:alpha:]]\n"},
    {"": "\\#hash\n\\!bang\n"},
    {"": "#hash\n"},
    {"": "x\\ \n"},
    {"": "x \n"},
    {"": "x y   \n"},
    {"": "a\\*b\n"},
    {"": "a?b\n"},
    {"": "\\[x\\]\n"},
    {"": "[[]x]\n"},
    {"": "a\\\\b\n"},
    {"": "*\n!a\n!*.txt\n"},
    {"": "*\n!*/\n!*.csv\n"},
    {"": ".hidden\n"},
    {"": ".*\n"},
    {"": "data/**\n!data/keep\n!data/keep/**\n"},
    {"": "data/*\n!data/keep/\n"},
    {"": "*.csv\n", "data": "!1.csv\n!/4.csv\n"},
    {"": "", "data/raw": "*\n"},
    {"": "", "doc": "/a.txt\nb/\n"},
    {"": "node_modules\n"},
    {"": "/node_modules/\n"},
    {"": "*.tmp\r\n*.log\r\n"},
    {"": "日本*\né.*\n"},
    {"": "a**b\n"},
    {"": "foo**bar\n"},
    {"": "ab[\nabc\n"},
    {"": "a/\n"},
    {"": "a/b\n"},
    {"": "/*\n!/src\n"},
    {"": "**\n"},
    {"": "**/\n"},
    {"": "/**/bar\n"},
    {"": "***\n"},
    {"": "a.b\na+b\n"},
    {"": "\n\n   \n*.bak\n"},
    {"": "ab[a-z\\-]\n"},
    {"": "z/**/bar\n!z/foo\n"},
]


def ignored(files):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        present = []
        for path in sorted(PATHS, key=len):
            whole = os.path.join(folder, path)
            try:
                os.makedirs(os.path.dirname(whole), exist_ok=True)
                if os.path.isdir(whole):
                    continue
                with open(whole, "w") as file:
                    file.write("x")
                present.append(path)
            except (FileExistsError, NotADirectoryError):
                continue
        for base, text in files.items():
            with open(os.path.join(folder, base, ".gitignore"), "w", newline="") as file:
                file.write(text)
        listed = subprocess.run(
            ["git", "-C", folder, "-c", "core.quotePath=false", "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(present) + "\0", capture_output=True, text=True, check=False,
        ).stdout
        return {"files": files, "paths": sorted(present), "ignored": sorted(p for p in listed.split("\0") if p)}


with open("expected.json", "w") as file:
    json.dump([ignored(case) for case in CASES], file, ensure_ascii=False)
