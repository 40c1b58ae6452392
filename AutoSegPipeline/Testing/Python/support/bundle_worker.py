"""A bundle's worker for tests of the cluster: it computes nothing and does what a case's stem says.

The words are those of :mod:`.fake_worker` as far as they concern a worker on another machine:
``slowN`` (N ms of progress), ``fail``, ``memory`` (``engine.no_memory``), ``vanish`` (the process ends),
``disk`` (the share fills up under the result), ``untilN`` (the words hold for attempts up to N). It claims
cases by exclusive folders, as the real one does. Each case that it begins is a line ``job attempt host`` in
``BUNDLE/../ran.txt``.

Started as ``bundle_worker.py PYTHON_ARGUMENTS`` it stands for ``cluster_python``: everything but a worker's
command goes to the real Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from pathlib import Path

from support.fake_worker import wanted


def main(arguments: list[str]) -> int:
    if "worker" not in arguments:
        os.execv(sys.executable, [sys.executable, *arguments])
    bundle = Path(arguments[-1])
    listed = json.loads((bundle / "bundle.json").read_text())
    for entry in listed["cases"]:
        folder = bundle / "cases" / entry["folder"]
        if (folder / "result").exists():
            continue
        if (bundle / "stop").exists():
            return 3
        try:
            (folder / "claim-1").mkdir()
        except FileExistsError:
            continue
        work_on(bundle, folder, json.loads((folder / "case.json").read_text()))
    return 0


def work_on(bundle: Path, folder: Path, case: dict) -> None:
    with open(bundle.parent / "ran.txt", "a") as ran:
        ran.write(f"{case['job']} {case['attempt']} {socket.gethostname()}\n")
    order = case["order"]
    do = wanted(order["stem"], case["attempt"])
    for name, facts in case["inputs"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"], name
    (folder / "log.txt").write_text(f"the case {order['stem']} is worked on\n")
    steps = max(int((do.get("slow", 0) or 0) / 100), 1)
    for step in range(steps):
        progress = {
            "count": step + 1, "claim": 1, "stage": "segmenting", "progress": step / steps,
            "message": "pretending", "eta_s": (steps - step) * 0.1, "host": "node-7", "pid": os.getpid(),
            "scheduler_job": os.environ.get("SLURM_JOB_ID", ""),
        }  # fmt: skip
        replace(folder / "progress.json", json.dumps(progress).encode())
        if (folder / "cancel").exists():
            finish(folder, {"ok": False, "error": {"code": "job.cancelled", "message": "cancelled"}})
            return
        time.sleep(0.1 if "slow" in do else 0)
    if "vanish" in do:
        os._exit(9)
    if "disk" in do:
        fill(bundle.parent / "filler")
        try:
            succeed(folder, order["stem"])
        except OSError:
            (folder / "claim-1").rmdir()  # as the real worker lets go of it
            os._exit(1)
    elif "memory" in do:
        error = {"code": "engine.no_memory", "message": "it did not fit"}
        finish(folder, {"ok": False, "error": error, "memory": True})
    elif "fail" in do:
        finish(folder, {"ok": False, "error": {"code": "engine.failed", "message": "told to"}})
    else:
        succeed(folder, order["stem"])


def fill(path: Path) -> None:
    """Take the room that the share has left."""
    with open(path, "wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            return


def succeed(folder: Path, stem: str) -> None:
    files, outputs = {}, []
    for kind, name, data in (
        ("gltf", f"{stem}.gltf", b'{"asset": {"version": "2.0"}}'),
        ("manifest", f"{stem}.manifest.json", json.dumps({"stem": stem}).encode()),
    ):
        facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        files[name] = facts
        outputs.append({"kind": kind, "name": name, **facts})
        making = folder / ".result-1"
        making.mkdir(exist_ok=True)
        (making / name).write_bytes(data)
    result = {
        "engine": "fake", "modality": "CT", "shape": [12, 11, 10], "spacing": [1.0, 1.0, 1.0],
        "outputs": outputs, "used": {"engine": "fake", "task": "", "device": "cpu"},
    }  # fmt: skip
    finish(folder, {"ok": True, "result": result, "files": files, "seconds": 1.5})


def finish(folder: Path, outcome: dict) -> None:
    making = folder / ".result-1"
    making.mkdir(exist_ok=True)
    (making / "outcome.json").write_text(json.dumps({"host": "node-7", **outcome}))
    making.rename(folder / "result")


def replace(path: Path, data: bytes) -> None:
    """Write it in one step; a share that is away is waited for, as the real worker does."""
    until = time.monotonic() + 30
    while True:
        try:
            part = path.with_name(path.name + ".part")
            part.write_bytes(data)
            os.replace(part, path)
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
