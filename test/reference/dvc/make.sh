#!/usr/bin/env bash
# Makes the repository of this folder with DVC itself: a tracked file, a tracked folder, and a stage with an output. `make.sh <python with dvc>`.
set -euo pipefail
python="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" -m dvc init -q --no-scm
"$python" -m dvc config core.analytics false
printf 'id,word\n1,one\n2,two\n' > file.csv
mkdir folder
printf 'id,word\n3,three\n' > folder/a.csv
mkdir folder/deep
printf 'id,word\n4,four\n' > folder/deep/b.csv
"$python" -m dvc add -q file.csv folder
printf 'id,word\n5,five\n' > source.txt
cat > dvc.yaml <<'Y'
stages:
  make:
    cmd: cp source.txt made.csv
    deps:
    - source.txt
    outs:
    - made.csv
Y
"$python" -m dvc repro -q
rm -rf "$here/repository"
mkdir -p "$here/repository/dvc-cache"
cp file.csv.dvc folder.dvc dvc.lock "$here/repository/"
cp -r .dvc/cache/files "$here/repository/dvc-cache/"
chmod -R u+w "$here/repository"
