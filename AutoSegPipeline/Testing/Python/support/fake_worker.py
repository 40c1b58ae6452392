"""A worker for tests of the runtime: it speaks the real protocol and computes nothing.

Start it where the runtime would start the worker (``[python, ".../fake_worker.py"]``,
``PYTHONPATH`` = the folder of ``AutoSegPipelineLib``). What it does with a case is
said by words in the case's **stem** (split at everything but letters and digits) or,
for all cases, by the command line ``--do WORDS`` or the environment ``FAKE_WORKER``.
A word may carry a number: ``slow500``. Words after ``until`` hold only for attempts
up to that number: ``vanish_until2`` dies in attempts 1 and 2 and works in the third.

===========  ====================================================================
(none)       writes ``STEM.gltf`` and ``STEM.manifest.json`` (small, valid), ``done``
slowN        takes N ms (default 1000) in small steps of progress; can be cancelled
deafN        takes N ms (default 60000) with progress, but does not see ``cancel``
hangN        says a stage, then nothing but heartbeats for N ms (default 10 min)
mute         stops even the heartbeats, together with ``hang``
fail         ``failed`` with ``engine.failed``
memory       ``failed`` with ``engine.no_memory``
cramped      the same on a GPU (which ``device=auto`` takes) until the case is told to take the CPU
gone         ``failed`` with ``environment.gpu_gone``
disk         ``failed`` with ``environment.disk_full``
vanish       exit code 9 in the middle of the case, after half of the outputs
segv         dies by a signal (abort) in the middle
babble       a line that is no message on the protocol's pipe, then goes on
long         a line of 100,000 bytes without an end on the protocol's pipe, then goes on
stderrN      writes N KB (default 1024) to standard error before it goes on
bigN         outputs of N KB (default 1024) and a result that needs a file (``result_file``)
lie          ``done`` names an output that was never written
late         sends a second ``done`` for the attempt before this one, first
childN       starts a grandchild that sleeps N s (default 600); its pid stands in STEM.child.pid in work
growN        holds N MB (default 256) of memory for ever
modelsN      says that it has loaded N different models (default one more each time)
usedN        says that it used task ``deep:fast`` on the GPU
silent       never says hello
===========  ====================================================================

What it says of its engines comes from the JSON file named by ``FAKE_DESCRIBE``, where there is one;
``{"dies": true}`` lets it die over the question.

Each case is noted as a line ``job attempt stem pid`` in the file named by ``FAKE_WORKER_LOG``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from AutoSegPipelineLib.core.child_channel import ChildChannel
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.child_messages import (
    Describe,
    Done,
    Failed,
    Heartbeat,
    Hello,
    Progress,
    Stage,
)  # fmt: skip
from AutoSegPipelineLib.core.messages.worker_messages import RunCase
from AutoSegPipelineLib.core.protocol import Envelope

HELD = []  # memory that `grow` keeps
MODELS = []


def wanted(text, attempt):
    """The words that hold for this attempt, each with its number or None."""
    words, found = re.findall(r"([a-z]+)(\d*)", text.lower()), {}
    until = next((int(number) for word, number in words if word == "until" and number), None)
    if until is None or attempt <= until:
        found = {word: int(number) if number else None for word, number in words}
    return found


class Case:
    """One case on its way."""

    def __init__(self, channel, envelope, always):
        self.channel = channel
        self.job = envelope.job
        self.case = envelope.message.case
        self.attempt = envelope.attempt
        self.stem = self.case["stem"]
        self.do = wanted(f"{always} {self.stem}", self.attempt)
        self.out = Path(self.case["out"])
        self.work = Path(self.case["work"])

    def pause(self, milliseconds, deaf=False):
        steps = max(milliseconds // 50, 1)
        for step in range(steps):
            if not deaf:
                self.channel.check()
            self.channel.send(Progress(step / steps, "pretending"))
            time.sleep(milliseconds / steps / 1000)

    def write(self, kind, name, data):
        path = self.out / name
        path.write_bytes(data)
        return {"kind": kind, "name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def run(self, stop_heart):
        self.out.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.channel.send(Stage("preparing", "pretending"))
        self.misbehave_early()
        self.channel.send(Stage("segmenting", "pretending"))
        if "hang" in self.do:
            if "mute" in self.do:
                stop_heart.set()
            time.sleep((self.do["hang"] or 600000) / 1000)
        if "slow" in self.do:
            self.pause(self.do["slow"] or 1000)
        if "deaf" in self.do:
            self.pause(self.do["deaf"] or 60000, deaf=True)
        for word, code in (
            ("fail", "engine.failed"), ("memory", "engine.no_memory"), ("disk", "environment.disk_full"),
            ("gone", "environment.gpu_gone"),
        ):  # fmt: skip
            if word in self.do:
                raise PipelineError(code, f"the fake worker was told to: {word}")
        if "cramped" in self.do and self.case["options"]["device"] != "cpu":
            raise PipelineError("engine.no_memory", "CUDA out of memory", used={"device": "gpu"})
        self.channel.send(Stage("exporting", "pretending"))
        result = self.write_all()
        if "models" in self.do:
            MODELS[:] = range(self.do["models"] or len(MODELS) + 1)
        if "used" in self.do:
            result["used"] = {"engine": "fake", "task": "deep:fast", "device": "gpu"}
        self.channel.send(Done(result, *memory()), str(self.work))

    def misbehave_early(self):
        raw = self.channel._out
        if "late" in self.do:
            self.channel.post(Envelope(Done({"outputs": []}), self.job, self.attempt - 1))
        if "babble" in self.do:
            raw.write(b"Segmentation fault (not really)\n")
        if "long" in self.do:
            raw.write(b"x" * 100000 + b"\n")
        if "stderr" in self.do:
            sys.stderr.write("chatter " * 128 * (self.do["stderr"] or 1024))
            sys.stderr.flush()
        if "grow" in self.do:
            HELD.append(bytearray(os.urandom(1) * ((self.do["grow"] or 256) << 20)))
        if "child" in self.do:
            seconds = self.do["child"] or 600
            child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
            (self.work / f"{self.stem}.child.pid").write_text(str(child.pid), encoding="ascii")

    def write_all(self):
        filler = "x" * ((self.do.get("big") or 1024) * 1024) if "big" in self.do else ""
        gltf = {"asset": {"version": "2.0"}, "extras": {"stem": self.stem, "filler": filler}}
        outputs = [self.write("gltf", f"{self.stem}.gltf", json.dumps(gltf).encode())]
        if "vanish" in self.do:
            os._exit(9)
        if "segv" in self.do:
            os.abort()
        if "lie" in self.do:
            outputs.append({"kind": "glb", "name": f"{self.stem}.glb", "size": 1, "sha256": "0" * 64})
        manifest = {
            "stem": self.stem,
            "job": self.job,
            "attempt": self.attempt,
            "outputs": outputs,
        }
        outputs.append(self.write("manifest", f"{self.stem}.manifest.json", json.dumps(manifest).encode()))
        return {
            "outputs": outputs,
            "warnings": [{"code": "fake.many", "message": "m" * 50000}] if "big" in self.do else [],
            "engine": "fake",
            "modality": self.case.get("modality") or "CT",
            "shape": [4, 4, 4],
            "spacing": [1.0, 1.0, 1.0],
            "timings": {"total": 0.0},
            "manifest_name": f"{self.stem}.manifest.json",
        }


def memory():
    return 10.0 + sum(len(block) for block in HELD) / 1e6, len(MODELS)


def beat(channel, stop, seconds):
    while not stop.wait(seconds):
        channel.send(Heartbeat(memory()[0]))


def description():
    """What this worker says of its engines."""
    told = os.environ.get("FAKE_DESCRIBE")
    if told and os.path.exists(told):
        with open(told, encoding="utf-8") as stream:
            return json.load(stream)
    task = {"name": "fake", "title": "Fake", "modality": "CT"}
    engine = {"name": "fake", "title": "Fake", "ok": True, "missing": [], "note": "", "tasks": [task]}
    return {"engines": [engine]}


def note(envelope, stem):
    log = os.environ.get("FAKE_WORKER_LOG")
    if log:
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(f"{envelope.job} {envelope.attempt} {stem} {os.getpid()}\n")


def main():
    channel = ChildChannel.take()
    parser = argparse.ArgumentParser()
    parser.add_argument("--do", default=os.environ.get("FAKE_WORKER", ""))
    parser.add_argument("--heartbeat", type=float, default=0.5)
    arguments, _ = parser.parse_known_args()
    channel.start()
    if "silent" not in wanted(arguments.do, 0):
        channel.send(Hello(os.getpid(), "worker", sys.version.split()[0]))
    stop = threading.Event()
    threading.Thread(target=beat, args=(channel, stop, arguments.heartbeat), daemon=True).start()
    for envelope in channel.commands():
        try:
            if isinstance(envelope.message, Describe):
                told = description()
                if told.get("dies"):
                    os._exit(9)
                channel.send(Done(told), tempfile.gettempdir())
            elif isinstance(envelope.message, RunCase):
                case = Case(channel, envelope, arguments.do)
                note(envelope, case.stem)
                case.run(stop)
        except PipelineError as error:
            used = error.data.get("used") or {}
            channel.send(Failed(error.to_dict(), used, *memory()))


if __name__ == "__main__":
    main()
