"""An Orthanc that holds some studies, and the peers of it for ``dicom.json``."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.fetches import ENDED, Fetch
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.settings import resolve
from AutoSegPipelineLib.dicom.context import Context, LiveConfig
from AutoSegPipelineLib.processing.phantom.build import spheres
from AutoSegPipelineLib.processing.phantom.write_dicom import write_dicom_series

from .orthanc import Orthanc, orthanc

STUDIES: tuple[dict[str, Any], ...] = (
    {
        "PatientID": "P1", "PatientName": "Müller^Änne", "StudyDescription": "THORAX", "Modality": "CT",
        "StudyDate": "20261101", "AccessionNumber": "A77", "SpecificCharacterSet": "ISO_IR 192",
        "SeriesDescription": "soft", "SeriesNumber": 3,
    },
    {
        "PatientID": "P2", "PatientName": "Roe^Jane", "StudyDescription": "ABDOMEN", "Modality": "CT",
        "StudyDate": "20251101", "AccessionNumber": "A78", "SeriesDescription": "bone", "SeriesNumber": 4,
    },
)  # fmt: skip


@dataclass
class Archive:
    """``files`` of each of :data:`STUDIES`, which the server holds."""

    server: Orthanc
    files: list[list[Path]]

    def peer(self, **more: Any) -> dict[str, Any]:
        return {"title": "ORTHANC", "host": "127.0.0.1", "port": self.server.port, **more}

    def web_peer(self, **more: Any) -> dict[str, Any]:
        return {"use": "web", "web": {"url": self.server.dicom_web}, **more}


def write_study(folder: Path, seed: int, slices: int = 12, **tags: Any) -> list[Path]:
    """A small series that becomes a case."""
    volume = spheres((24, 24, slices), (10.0, 10.0, 240.0 / slices), balls=(((0.0, 0.0, 0.0), 90.0),)).volume
    return write_dicom_series(volume, folder, seed=seed, **tags)


@contextlib.contextmanager
def archive(folder: Path, **values: Any) -> Iterator[Archive]:
    files = [write_study(folder / f"study{n}", n, **tags) for n, tags in enumerate(STUDIES)]
    with orthanc(folder / "orthanc", **values) as server:
        server.add(*(path for series in files for path in series))
        yield Archive(server, files)


def write_config(home: Path, **values: Any) -> None:
    home.mkdir(parents=True, exist_ok=True)
    # Any free port, because other tests listen at the same time.
    (home / FILE).write_text(json.dumps({"receiver": {"port": 0}, **values}))


def context(root: Path, **values: Any) -> Context:
    """What the parts of the dicom child work with, without the child."""
    write_config(root, **values)
    home = Home.at(root)
    home.create()
    return Context(home, resolve({"disk_min_free_mb": 10}, {}, {}, ""), LiveConfig(home))


def until_ended(store: PacsStore, number: int, seconds: float = 60.0) -> Fetch:
    """The fetch when it has ended."""
    until = time.monotonic() + seconds
    while True:
        found = store.fetches.get(number)
        assert found is not None
        if found.state in ENDED:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.1)
