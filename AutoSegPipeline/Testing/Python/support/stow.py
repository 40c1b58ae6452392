"""STOW-RS as clients speak it: bodies of many kinds, and a dicom process that only notes what it is given."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Iterable

from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.store import Store

RELATED = 'multipart/related; type="application/dicom"; boundary=b1'


def related(*instances: bytes, head: str = "Content-Type: application/dicom", before: str = "") -> bytes:
    """A body with the boundary ``b1``."""
    parts = [f"\r\n--b1\r\n{head}\r\n\r\n".encode() + one for one in instances]
    return before.encode() + b"".join(parts).lstrip() + b"\r\n--b1--\r\n"


class Notes:
    """Answers ``stow`` in place of the dicom process; ``given`` has what it found in the files."""

    def __init__(self, home: Home, statuses: Iterable[int] = (), silent: bool = False) -> None:
        self.home = home
        self.given: list[dict[str, Any]] = []
        self._statuses = list(statuses)
        self._silent = silent
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Notes:
        store = Store(self.home.store)
        store.meta.set("dicom", {"pid": 1})
        store.close()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)
        store = Store(self.home.store)
        store.meta.set("dicom", {"error": {"code": "child.died"}})
        store.close()

    def _run(self) -> None:
        store = PacsStore.of(self.home)
        while not self._ended.wait(0.02):
            for ask in store.asks.open():
                if self._silent:
                    continue
                files = [self.home.state / "uploads" / str(name) for name in _listed(ask.args["files"])]
                found = [path.read_bytes() for path in files]
                self.given.append({**ask.args, "by": ask.by, "bytes": found})
                statuses = self._statuses or [0] * len(files)
                rows = [
                    {
                        "sop_class": "1.2.3",
                        "sop_instance": f"1.2.{n}",
                        "status": status,
                        "comment": "no room" if status else "",
                    }
                    for n, status in enumerate(statuses)
                ]
                store.asks.answer(ask.id, {"ok": True, "instances": rows})
        store.close()


def _listed(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def left_in(folder: Path) -> list[Path]:
    """Files that were not taken away."""
    return [path for path in folder.rglob("*") if path.is_file()]
