"""Instances a second of the receiver of the PACS, beside dcmtk's storescp and Orthanc in the same run.

    python AutoSegPipeline/Testing/benchmarks/dicom_receive.py [--instances 5000] [--rounds 3] [--folder DIR]

dcmtk's dcmsend sends CT images of 512x512 from one association and from four at once, to each server in
turn within every round, all with TCP_NODELAY (Debian's dcmtk waits 40 ms for each image without). We and
Orthanc sync each image before we answer; storescp does not. Aims: at least 0.7 of the faster of the two, and
memory that does not grow with the number of images. ``--folder /dev/shm`` shows the same without a disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parents[1])]

import numpy as np  # noqa: E402 - the path comes first
import psutil  # noqa: E402
from AutoSegPipelineLib.dicom.receive import completion  # noqa: E402
from meters import said_load  # noqa: E402
from support import receive_driver  # noqa: E402
from support.orthanc import Orthanc, free_port  # noqa: E402

AIM = 0.7
MEMORY_MB = 32  # most that the receiver may grow by between the first tenth and the end
SENDERS = (1, 4)


def write_images(folder: Path, count: int, series: int) -> None:
    """CT images of noise; each has 512 KB of pixels."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    folder.mkdir(parents=True)
    random = np.random.default_rng(series)
    pixels = random.integers(-1000, 1000, (512, 512), dtype=np.int16)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = CTImageStorage
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.826.99", f"1.2.826.99.{series}"
    data.PatientID, data.PatientName, data.Modality = "BENCH", "Bench", "CT"
    data.Rows = data.Columns = 512
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    for number in range(count):
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.99.{series}.{number}"
        data.InstanceNumber = number
        data.PixelData = np.roll(pixels, number).tobytes()
        data.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)


class Server:
    """One of the three; ``begin`` starts it with an empty folder and gives its process."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder / self.name, free_port()

    def begin(self) -> subprocess.Popen[Any]:
        raise NotImplementedError

    def end(self, process: subprocess.Popen[Any]) -> None:
        process.kill()
        process.wait(30)
        shutil.rmtree(self.folder)


class Ours(Server):
    name = "ours"

    def begin(self) -> subprocess.Popen[Any]:
        self.folder.mkdir()
        file = {
            "receiver": {"port": self.port},
            "callers": [{"title": "DCMSEND", "address": "127.0.0.1"}],
            "entries": [{"title": "AUTOSEG", "quiet_seconds": 3600}],
        }
        (self.folder / "dicom.json").write_text(json.dumps(file))
        for name in ("state", "state/incoming"):
            (self.folder / name).mkdir()
        command = [sys.executable, receive_driver.__file__, str(self.folder)]
        looks = {**os.environ, "LOOK_SECONDS": str(completion.LOOK_SECONDS)}
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=looks)


class StoreScp(Server):
    name = "storescp"

    def begin(self) -> subprocess.Popen[Any]:
        self.folder.mkdir()
        command = ["/usr/bin/storescp", "-q", "--fork", "-pdu", "131072", "-od", self.folder, str(self.port)]
        return subprocess.Popen([str(one) for one in command])


class Archive(Server):
    name = "orthanc"

    def begin(self) -> subprocess.Popen[Any]:
        one = Orthanc(self.folder, port=self.port, more={"Plugins": []})
        one.start()
        assert one.process is not None
        return one.process


def until_open(port: int) -> None:
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def sent(port: int, folders: list[Path], process: subprocess.Popen[Any]) -> tuple[float, list[float]]:
    """Seconds until each folder was sent by a sender of its own, and the server's memory meanwhile in MB."""
    command = ["dcmsend", "-aec", "AUTOSEG", "--scan-directories", "127.0.0.1", str(port)]
    begun, memory = time.perf_counter(), []
    senders = [subprocess.Popen([*command, str(one)], stdout=subprocess.DEVNULL) for one in folders]
    watched = psutil.Process(process.pid)
    while any(one.poll() is None for one in senders):
        memory.append(watched.memory_info().rss / (1 << 20))
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    if any(one.returncode for one in senders):
        raise SystemExit("a sender failed")
    return seconds, memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where images and servers write; a temporary folder")
    arguments = parser.parse_args()
    os.environ["TCP_NODELAY"] = "1"
    root = Path(tempfile.mkdtemp(prefix="dicom-receive-", dir=arguments.folder))
    try:
        return measure(root, arguments.instances, arguments.rounds)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def measure(root: Path, instances: int, rounds: int) -> int:
    most = max(SENDERS)
    folders = [root / f"images-{number}" for number in range(most)]
    for number, folder in enumerate(folders):
        write_images(folder, instances // most, number)
    met = True
    print(f"{instances} images of 512x512, {said_load()}")
    rates: dict[tuple[str, int], list[float]] = {}
    grown: list[float] = []
    for _ in range(rounds):
        for senders in SENDERS:
            for kind in (StoreScp, Ours, Archive):
                server = kind(root)
                process = server.begin()
                try:
                    until_open(server.port)
                    given = folders if senders == most else [root / "all"]
                    if senders == 1 and not given[0].exists():
                        join(folders, given[0])
                    seconds, memory = sent(server.port, given, process)
                finally:
                    server.end(process)
                rates.setdefault((kind.name, senders), []).append(instances / seconds)
                if kind is Ours:
                    grown.append(max(memory) - max(memory[: max(1, len(memory) // 10)]))
    for senders in SENDERS:
        rate = {kind.name: statistics.median(rates[kind.name, senders]) for kind in (Ours, StoreScp, Archive)}
        ratio = rate["ours"] / max(rate["storescp"], rate["orthanc"])
        met = met and ratio >= AIM
        shown = ", ".join(f"{name} {value:.0f}" for name, value in rate.items())
        print(f"{senders} sender(s): {shown} images/s; ratio to the faster {ratio:.2f} (aim {AIM})")
    print(f"memory grew by at most {max(grown):.1f} MB after the first tenth (aim {MEMORY_MB})")
    return 0 if met and max(grown) <= MEMORY_MB else 1


def join(folders: list[Path], target: Path) -> None:
    """All images under one folder, as links."""
    target.mkdir()
    for folder in folders:
        for path in folder.iterdir():
            os.link(path, target / f"{folder.name}-{path.name}")


if __name__ == "__main__":
    sys.exit(main())
