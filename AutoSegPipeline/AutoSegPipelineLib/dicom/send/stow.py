"""STOW-RS (PS3.18, 10.5): files go as they are on the disk, piece by piece."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Sequence

from ...core.errors import PipelineError
from ...core.pacs.config import WebAccess
from ...core.pacs.sends import SentObject
from .c_store import NotTaken

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, ANSWER_SECONDS = 15.0, 300.0
_PIECE = 1 << 20
_AWAY = (408, 429, 500, 502, 503, 504)  # a server in trouble, or a proxy without one


def session(name: str, web: WebAccess) -> requests.Session:
    """Signs in as ``web`` says, past any proxy of the environment. Raises ``pacs.configuration``."""
    import requests

    found = requests.Session()
    found.trust_env = False
    found.verify = web.tls_ca or True
    if web.token_file:
        found.headers["Authorization"] = f"Bearer {_secret(name, web.token_file)}"
    elif web.user:
        found.auth = (web.user, _secret(name, web.password_file) if web.password_file else "")
    return found


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise PipelineError("pacs.configuration", f"the secret of {name} cannot be read: {error}") from None


def store(name: str, web: WebAccess, folder: Path, objects: Sequence[SentObject]) -> None:
    """Store every object, each in a request of its own; returns when the peer has acknowledged them all.

    Raises ``pacs.unreachable``, ``pacs.configuration`` or :class:`.c_store.NotTaken`.
    """
    with session(name, web) as connection:
        for one in objects:
            _store(name, connection, web.url.rstrip("/") + "/studies", folder / one.file, one)


def _store(name: str, connection: requests.Session, url: str, path: Path, one: SentObject) -> None:
    import requests

    mark = uuid.uuid4().hex
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={mark}',
        "Accept": "application/dicom+json",
    }
    try:
        answer = connection.post(
            url, data=_Body(path, mark), headers=headers, timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
        )  # fmt: skip
    except requests.exceptions.InvalidURL as error:
        raise PipelineError("pacs.configuration", f"web.url of {name}: {error}") from None
    except requests.exceptions.RequestException as error:
        # Its text may hold the URL, never a patient.
        raise PipelineError("pacs.unreachable", f"{name} did not answer: {type(error).__name__}") from None
    if answer.status_code in _AWAY:
        raise PipelineError("pacs.unreachable", f"{name} answered {answer.status_code}")
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
