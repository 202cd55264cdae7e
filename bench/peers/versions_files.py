"""dvc, or git with git-lfs, on the files that ours has added: first time, again with nothing changed, again after an edit. CPU is that of all processes."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time

job = json.loads(sys.argv[1])
repository = job["repository"]
source = job["source"]
name = os.path.basename(source)
environment = {
    **os.environ,
    "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
    "DVC_NO_ANALYTICS": "1",
    "HOME": repository,
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}


def run(*command):
    subprocess.run(command, cwd=repository, env=environment, check=True, stdout=subprocess.DEVNULL)


def timed(*commands):
    """Wall and CPU seconds of some commands, one after another."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    for command in commands:
        run(*command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"cpu": cpu, "wall": time.perf_counter() - begun}


def stored():
    """Bytes that the tool keeps."""
    kept = os.path.join(repository, ".dvc" if job["tool"] == "dvc" else ".git")
    total = 0
    for folder, _, files in os.walk(kept):
        total += sum(os.lstat(os.path.join(folder, file)).st_size for file in files)
    return total


def edit():
    if "replacement" in job:
        shutil.copyfile(job["replacement"], os.path.join(repository, name))
        return
    with open(os.path.join(repository, name, job["edit"]["path"]) if job["edit"]["path"] else os.path.join(repository, name), "r+b") as file:
        file.seek(job["edit"]["at"])
        file.write(job["edit"]["bytes"].encode())


ADD = {
    "dvc": (("dvc", "add", "-q", name),),
    "git-lfs": (("git", "add", "."), ("git", "commit", "-q", "-m", "x")),
}[job["tool"]]

run("git", "init", "-q")
if job["tool"] == "dvc":
    run("dvc", "init", "-q")
else:
    run("git", "lfs", "install", "--local")
    run("git", "lfs", "track", "*.bin")
if os.path.isdir(source):
    shutil.copytree(source, os.path.join(repository, name))
else:
    shutil.copyfile(source, os.path.join(repository, name))

for step in job["steps"]:
    if step == "edit":
        edit()
    before = stored()
    spent = timed(*ADD)
    print(json.dumps({"step": step, **spent, "stored": stored() - before}), flush=True)
