"""What the web application took in by STOW-RS goes the way of what an association brings."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from ...core.errors import PipelineError
from ...core.files import contained
from ...core.pacs.asks import Ask
from ...core.pacs.stored import Stored
from ..context import Context
from .admission import Sender
from .association import Answer
from .commands import CLASS_NOT_SUPPORTED, NOT_UNDERSTOOD, STORE_REQUEST, Request
from .data_set_uids import LONG
from .instance_file import InstanceFile
from .offered import IMAGES, REFUSED, TRANSFER_SYNTAXES
from .receiver import Receiver

# Failure reasons of PS3.18, 10.5.3, that no C-STORE has.
SYNTAX_NOT_SUPPORTED = 0xC122
OTHER_STUDY = 0xA901
_BLOCK = 1 << 20
_MOST_META = 1 << 16
_SOP_CLASS, _SOP_INSTANCE, _SYNTAX = 0x02, 0x03, 0x10


def stow(context: Context, ask: Ask) -> dict[str, object]:
    """Answers the ask ``stow``: ``instances``, one for each of its ``files``, in their order.

    They come under the title ``called``; an empty one is the receiver's own.
    """
    receiver = context.parts[Receiver.name]
    assert isinstance(receiver, Receiver)
    config = context.config()
    called, study = str(ask.args["called"]) or config.receiver.title, str(ask.args.get("study") or "")
    if config.entry(called) is None:
        raise PipelineError("request.not_found", f"dicom.json has no entry {called!r}")
    paths = _paths(context.home.uploads, ask.args.get("files"))
    sender = Sender(ask.by or "STOW-RS", called, str(ask.args.get("address") or ""), account=ask.by)
    delivery = _Delivery(receiver, sender, study, receiver.new_number())
    try:
        return {"instances": [asdict(delivery.store(path)) for path in paths]}
    finally:
        receiver.spool.ended(delivery.number, released=True)


def _paths(root: Path, names: object) -> list[Path]:
    paths = [root / str(name) for name in names] if isinstance(names, list) else []
    if not all(contained(root, path) for path in paths):
        raise PipelineError("request.invalid", "a file that is no upload")
    return paths


@dataclass(frozen=True)
class _Delivery:
    """One request: who sent it, the only study that it may hold (or any), what stands for an association."""

    receiver: Receiver
    sender: Sender
    study: str
    number: int

    def store(self, path: Path) -> Stored:
        """What becomes of one file."""
        try:
            with open(path, "rb") as stream:
                sop_class, sop_instance, syntax = _meta(stream)
                request = Request(STORE_REQUEST, 0, sop_class, sop_instance, True)
                answer = _refusal(sop_class, syntax) or self._keep(stream, request, syntax)
        except (OSError, ValueError, struct.error) as error:
            return Stored("", "", NOT_UNDERSTOOD, f"it cannot be read: {error}")
        return Stored(sop_class, sop_instance, answer.status, answer.comment)

    def _keep(self, stream: BinaryIO, request: Request, syntax: str) -> Answer:
        """The data set, as an association would bring it; what stands before it is written again."""
        file = self.receiver.open(request, syntax)
        if isinstance(file, Answer):
            return file
        try:
            while piece := stream.read(_BLOCK):
                file.write(memoryview(piece))
        except OSError:
            file.discard()
            raise
        if self.study and _study_of(file) != self.study:
            file.discard()
            return Answer(OTHER_STUDY, "it is of another study than the address names")
        return self.receiver.keep(file, self.sender, self.number)


def _refusal(sop_class: str, syntax: str) -> Answer | None:
    if sop_class in REFUSED:
        return Answer(CLASS_NOT_SUPPORTED, f"{REFUSED[sop_class]} is not taken here")
    if sop_class not in IMAGES:
        return Answer(CLASS_NOT_SUPPORTED, "only CT and MR images are taken here")
    if syntax not in TRANSFER_SYNTAXES:
        return Answer(SYNTAX_NOT_SUPPORTED, f"the transfer syntax {syntax} is not taken here")
    return None


def _study_of(file: InstanceFile) -> str:
    try:
        return file.uids()[0]
    except ValueError:
        return ""


def _meta(stream: BinaryIO) -> tuple[str, str, str]:
    """SOP class, SOP instance and transfer syntax; ``stream`` is at the data set then (PS3.10, 7.1).

    Raises ValueError for what is no DICOM file.
    """
    if stream.read(132)[128:] != b"DICM":
        raise ValueError("no DICOM file")
    found: dict[int, str] = {}
    while True:
        place = stream.tell()
        head = stream.read(8)
        if len(head) < 8 or struct.unpack_from("<H", head)[0] != 2:
            stream.seek(place)
            break
        (length,) = struct.unpack("<H", head[6:])
        if head[4:6] in LONG:
            (length,) = struct.unpack("<L", stream.read(4))
        if place + length > _MOST_META:
            raise ValueError("its file meta information is too long")
        value = stream.read(length)
        found[struct.unpack_from("<H", head, 2)[0]] = value.rstrip(b"\0 ").decode("ascii", "replace")
    missing = [element for element in (_SOP_CLASS, _SOP_INSTANCE, _SYNTAX) if not found.get(element)]
    if missing:
        raise ValueError(f"its file meta information lacks (0002,{missing[0]:04x})")
    return found[_SOP_CLASS], found[_SOP_INSTANCE], found[_SYNTAX]
