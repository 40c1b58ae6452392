"""The receiver of the dicom child in this process, and senders for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any, Iterable, Iterator

from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import Intent, input_of, read_intent
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.dicom.context import Context, LiveConfig
from AutoSegPipelineLib.dicom.receive import completion
from AutoSegPipelineLib.dicom.receive.receiver import Receiver
from AutoSegPipelineLib.processing.phantom import spheres, write_dicom_series

from .orthanc import free_port, needed

CALLER = {"title": "SENDER", "address": "127.0.0.1"}
ENTRY = {"title": "AUTOSEG", "quiet_seconds": 0.5}


def write_series(folder: Path, number: int = 1, slices: int = 4, **tags: Any) -> list[Path]:
    """A small CT series; ``number`` tells series of one study apart."""
    volume = spheres(shape=(12, 10, slices), spacing=(8.0, 8.0, 2.5)).volume
    given = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.826.77.{number}", **tags}
    return write_dicom_series(volume, folder, seed=1, **given)


class Receiving:
    """``file`` is what stands in dicom.json beside the port."""

    def __init__(self, root: Path, settings: dict[str, object] | None = None, **file: Any) -> None:
        self.home = Home.at(root)
        self.home.create()
        self.port = int(file.get("receiver", {}).get("port") or free_port())
        self.file = {"callers": [CALLER], "entries": [ENTRY], **file}
        self.configure(**self.file)
        completion.LOOK_SECONDS = 0.1
        self.context = Context(self.home, Settings.defaults(**(settings or {})), LiveConfig(self.home))
        self.receiver = Receiver(self.context)

    def configure(self, **file: Any) -> None:
        """Write dicom.json again."""
        file["receiver"] = {"port": self.port, **file.get("receiver", {})}
        (self.home.root / FILE).write_text(json.dumps(file))

    def stop(self) -> None:
        self.context.ended.set()
        self.receiver.stop()

    @property
    def pacs(self) -> PacsStore:
        """A connection of its own."""
        return self.context.pacs_store()

    def intents(self, count: int = 1, seconds: float = 60.0) -> list[Intent]:
        """What was handed over, the first version first, once there are ``count``."""
        until = time.monotonic() + seconds
        while True:
            found = [one for one in map(read_intent, self.home.incoming.iterdir()) if one is not None]
            if len(found) >= count:
                return sorted(found, key=lambda one: one.version)
            assert time.monotonic() < until, (found, self.pacs.received.list())
            time.sleep(0.05)

    def staged(self, intent: Intent) -> list[Path]:
        """The files of one."""
        return sorted(path for path in input_of(self.home, intent.id).rglob("*") if path.is_file())

    def noted(self) -> list[Path]:
        """Every instance in the spool."""
        return sorted((self.receiver.spool.root / "series").rglob("*.dcm"))


@contextlib.contextmanager
def receiving(root: Path, began: Receiving | None = None, **file: Any) -> Iterator[Receiving]:
    """A receiver that listens: the one that ``began``, or a new one."""
    one = began or Receiving(root, **file)
    one.receiver.start()
    try:
        yield one
    finally:
        one.stop()


def associate(port: int, called: str = "AUTOSEG", calling: str = "SENDER", paths: Iterable[Path] = (),
              tls: Any = None) -> Any:  # fmt: skip
    """An association of pynetdicom that may send ``paths``, whether it was accepted or not."""
    from pydicom import dcmread
    from pynetdicom import AE

    ae = AE(ae_title=calling)
    ae.add_requested_context("1.2.840.10008.1.1")
    wanted = {(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
              for one in (dcmread(path, stop_before_pixels=True) for path in paths)}  # fmt: skip
    for sop_class, syntax in sorted(wanted):
        ae.add_requested_context(sop_class, syntax)
    for _ in range(5):  # pynetdicom may see the end of a connection before the refusal that came over it
        found = ae.associate("127.0.0.1", port, ae_title=called, tls_args=tls)
        if found.is_established or found.is_rejected or tls:
            break
    return found


def send(port: int, *paths: Path, called: str = "AUTOSEG", calling: str = "SENDER") -> list[Any]:
    """Store the bytes of ``paths`` as they are; the data sets of the answers."""
    from pynetdicom import _config

    _config.STORE_SEND_CHUNKED_DATASET = True
    association = associate(port, called, calling, paths)
    assert association.is_established
    try:
        return [association.send_c_store(path) for path in paths]
    finally:
        association.release()


def dcmsend(port: int, *paths: Path, called: str = "AUTOSEG", calling: str = "SENDER") -> Any:
    """dcmtk's sender, begun; ``wait()`` for it."""
    needed("dcmsend")
    command = ["dcmsend", "-aet", calling, "-aec", called, "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
