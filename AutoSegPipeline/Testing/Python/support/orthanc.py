"""A real Orthanc with DICOMweb on loopback, and dcmtk's programs beside it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

from .programs import program

PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc")
START_SECONDS = 30


def needed(*programs: str) -> None:
    """Skip without ``programs``; in CI, which installs them, fail."""
    for name in programs:
        program(name, "Debian: orthanc, orthanc-dicomweb, dcmtk, dicom3tools")


def free_port() -> int:
    """A port of loopback that nobody uses now, and that no other call gives.

    Each process of a parallel run has its own range, below those from which systems give ports by themselves.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = 12000 + worker % 8 * 2000
    for number in _PORTS:
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", first + number))
            except OSError:
                continue
            return first + number
    raise AssertionError(f"no port from {first} to {first + 1999} is free")


_PORTS = iter(random.sample(range(2000), 2000))


@dataclass
class Orthanc:
    """One server; ``known`` are the modalities that it may send to: name -> (AE title, port)."""

    folder: Path
    title: str = "ORTHANC"
    known: dict[str, tuple[str, int]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    @property
    def dicom_web(self) -> str:
        """The root of its DICOMweb service."""
        return f"{self.url}/dicom-web"

    def start(self) -> None:
        """Start, or start again with what it holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "Name": "Test", "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "DicomAet": self.title, "DicomPort": self.port, "DicomServerEnabled": True,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True, "DicomCheckModalityHost": False,
            "HttpServerEnabled": True, "HttpPort": self.http, "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "SynchronousCMove": True, "ConcurrentJobs": 4,
            "DicomModalities": {
                name: [title, "127.0.0.1", port] for name, (title, port) in self.known.items()
            },
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "Plugins": [one for one in PLUGINS if Path(one).is_dir()],
            **self.more,
        }  # fmt: skip
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(configuration))
        with open(self.folder / "orthanc.log", "ab") as log:
            self.process = subprocess.Popen(
                ["Orthanc", str(path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.rest("/system")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self.folder / "orthanc.log").read_text()[-2000:]) from None
                time.sleep(0.1)

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def rest(self, path: str, data: bytes | None = None, method: str = "") -> Any:
        """The JSON answer of its own REST API; bytes where it is none."""
        request = urllib.request.Request(self.url + path, data, method=method or ("POST" if data else "GET"))
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        try:
            return json.loads(body)
        except ValueError:
            return body

    def add(self, *paths: Path) -> None:
        """Store files over REST."""
        for path in paths:
            self.rest("/instances", path.read_bytes())

    def instances(self) -> list[dict[str, Any]]:
        """The main tags of every instance, with its series' ``Modality`` and UIDs."""
        found = []
        for one in self.rest("/instances?expand"):
            with contextlib.suppress(urllib.error.HTTPError):  # deleted meanwhile
                tags = self.rest(f"/instances/{one['ID']}/simplified-tags")
                found.append({**tags, "ID": one["ID"]})
        return found

    def file(self, orthanc_id: str) -> bytes:
        """The DICOM file of an instance."""
        return bytes(self.rest(f"/instances/{orthanc_id}/file"))


@contextlib.contextmanager
def orthanc(folder: Path, **values: Any) -> Iterator[Orthanc]:
    """A running server; everything of it lies in ``folder``."""
    needed("Orthanc")
    server = Orthanc(folder, **values)
    server.start()
    try:
        yield server
    finally:
        server.stop()
