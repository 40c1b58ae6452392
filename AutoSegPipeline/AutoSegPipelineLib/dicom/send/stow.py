"""STOW-RS (PS3.18, 10.5): files go as they are on the disk, piece by piece."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Sequence

from ...core.errors import PipelineError
from ...core.pacs.config import Peer
from ...core.pacs.sends import SentObject
from ..web_peer import CONNECT_SECONDS, web_session
from .c_store import NotTaken

if TYPE_CHECKING:
    from requests import Session

STORE_SECONDS = 300.0  # a large object may take a peer as long
_PIECE = 1 << 20
_IN_TROUBLE = (408, 429, 502, 503, 504)  # a busy server, or a proxy without one: nothing about the object


def store(name: str, peer: Peer, folder: Path, objects: Sequence[SentObject]) -> None:
    """Store every object, each in a request of its own; returns when the peer has acknowledged them all.

    Raises as :func:`..web_peer.web_session`, and :class:`.c_store.NotTaken`.
    """
    with web_session(name, peer) as (session, url):
        for one in objects:
            _store(name, session, f"{url}/studies", folder / one.file, one)


def _store(name: str, session: Session, url: str, path: Path, one: SentObject) -> None:
    mark = uuid.uuid4().hex
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={mark}',
        "Accept": "application/dicom+json",
    }
    answer = session.post(
        url, data=_Body(path, mark), headers=headers, timeout=(CONNECT_SECONDS, STORE_SECONDS),
        allow_redirects=False,
    )  # fmt: skip
    if answer.status_code in _IN_TROUBLE:
        raise PipelineError("pacs.peer_failed", f"{name} answered {answer.status_code}")
    if answer.status_code in (401, 403):
        raise PipelineError("pacs.peer_refuses", f"{name} answered {answer.status_code}")
    stored, failed = _stored_and_failed(answer.content)
    if answer.status_code in (200, 202) and one.sop_instance in stored:
        return
    reason = failed.get(one.sop_instance)
    why = f", reason {reason:04X}" if reason else ", which does not name the object as stored"
    raise NotTaken(name, one, f"answer {answer.status_code}{why}")


class _Body:
    """One object as ``multipart/related``; its length is known, so nothing is sent in chunks."""

    def __init__(self, path: Path, mark: str) -> None:
        self._path = path
        self._head = f"--{mark}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        self._tail = f"\r\n--{mark}--\r\n".encode("ascii")

    def __len__(self) -> int:
        return len(self._head) + self._path.stat().st_size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        with open(self._path, "rb") as stream:
            while True:
                piece = stream.read(_PIECE)
                if not piece:
                    break
                yield piece
        yield self._tail


def _stored_and_failed(body: bytes) -> tuple[set[str], dict[str, int]]:
    """UIDs of the Referenced SOP Sequence, and UID to reason of the Failed SOP Sequence (PS3.18, I.2)."""
    stored: set[str] = set()
    failed: dict[str, int] = {}
    try:
        answer = json.loads(body)
        for one in answer if isinstance(answer, list) else [answer]:
            for item in one.get("00081199", {}).get("Value", []):
                stored.add(str(item["00081155"]["Value"][0]))
            for item in one.get("00081198", {}).get("Value", []):
                failed[str(item["00081155"]["Value"][0])] = int(item["00081197"]["Value"][0])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        pass  # no answer of a DICOMweb server: what it does not name is not stored
    return stored - set(failed), failed
