"""DICOM instances in a ``multipart/related`` body (PS3.18, 8.6.1.2)."""

from __future__ import annotations

from typing import AsyncIterator

from ...core.errors import PipelineError
from .body import Event, FileBegins, Reader, boundary_of, events_of
from .file_writer import Data

DICOM = "application/dicom"


def instances(content_type: str, body: AsyncIterator[Data]) -> AsyncIterator[Event]:
    """The instances of a body, as files without names.

    Raises ``web.media_type`` for another kind of body or part, else as :func:`.body.events_of`.
    """
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(content_type)
    inner = options.get(b"type", DICOM.encode()).decode("latin-1")
    if kind.lower() != b"multipart/related" or not _is_dicom(inner):
        raise _wrong_kind(content_type)
    return events_of(_Instances(boundary_of(content_type)), body)


class _Instances(Reader):
    """Every part is a file."""

    def headers_end(self) -> None:
        kind = self.headers.get("content-type", "")
        if not _is_dicom(kind):
            raise _wrong_kind(f"a part of the type {kind or 'that it does not state'}")
        self.events.append(FileBegins("", ""))


def _is_dicom(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() == DICOM


def _wrong_kind(what: str) -> PipelineError:
    return PipelineError("web.media_type", f"{what[:100] or 'no Content-Type'} is not taken here")
