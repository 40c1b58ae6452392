"""Objects to send, and peers that answer as a test wants: over DICOM and over HTTP, on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pydicom
from AutoSegPipelineLib.core.pacs.sends import SentObject

from support.orthanc import free_port

SEG, LABELMAP_SEG = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
REPORT_3D = "1.2.840.10008.5.1.4.1.1.88.34"
EXPLICIT, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"


def write_object(
    folder: Path, kind: str = "seg", sop_class: str = SEG, syntax: str = EXPLICIT, size: int = 64, **tags: Any
) -> SentObject:
    """An object with ``size`` x ``size`` bytes of pixels, as much of its class as a transfer looks at."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = sop_class, pydicom.uid.generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    data.PatientID, data.PatientName, data.Modality = "P1", "Doe^Jane", "SR" if sop_class == REPORT else "SEG"
    if sop_class != REPORT:
        data.Rows = data.Columns = size
        data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 8, 8, 7
        data.PixelRepresentation, data.PhotometricInterpretation = 0, "MONOCHROME2"
        data.PixelData = np.random.default_rng(1).integers(0, 9, (size, size), dtype="u1").tobytes()
        data["PixelData"].VR = "OB"
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = EXPLICIT
    data.file_meta.MediaStorageSOPClassUID = sop_class
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    if syntax == RLE:
        data.compress(RLE, generate_instance_uid=False)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{kind}-1.dcm"
    pydicom.dcmwrite(folder / name, data, enforce_file_format=True)
    return SentObject(kind, name, sop_class, str(data.SOPInstanceUID), str(data.SeriesInstanceUID), syntax)


@contextlib.contextmanager
def storage(
    answer: Callable[[pydicom.Dataset], int] = lambda data: 0,
    syntaxes: tuple[str, ...] = (EXPLICIT, IMPLICIT, RLE),
    classes: tuple[str, ...] = (SEG, LABELMAP_SEG, REPORT, REPORT_3D),
    port: int = 0,
    **server: Any,
) -> Iterator[tuple[int, list[pydicom.Dataset]]]:
    """A storage SCP; its port, and what it was sent (also what it then refused)."""
    from pynetdicom import AE, evt

    got: list[pydicom.Dataset] = []

    def handle(event: Any) -> int:
        data = event.dataset
        data.file_meta = event.file_meta
        got.append(data)
        return answer(data)

    entity = AE(ae_title="STORAGE")
    entity.add_supported_context("1.2.840.10008.1.1")  # Verification
    for sop_class in classes:
        entity.add_supported_context(sop_class, list(syntaxes))
    port = port or free_port()
    running = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, handle)], **server
    )
    try:
        yield port, got
    finally:
        running.shutdown()


@contextlib.contextmanager
def web_storage(answer: Callable[[str], tuple[int, Any]]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers each POST with a status and a body; its URL, and the headers that came.

    ``answer`` is given the SOP instance UID of the object that was sent.
    """
    came: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append({key.lower(): value for key, value in self.headers.items()})
            start = body.index(b"\r\n\r\n") + 4
            end = body.rindex(b"\r\n--")
            (self.folder / "came.dcm").write_bytes(body[start:end])
            status, said = answer(str(pydicom.dcmread(self.folder / "came.dcm").SOPInstanceUID))
            text = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    import tempfile

    with tempfile.TemporaryDirectory() as name:
        Handler.folder = Path(name)  # type: ignore[attr-defined]
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web", came
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def stored_answer(uid: str) -> dict[str, Any]:
    """What a DICOMweb server says of an object that it has stored."""
    return {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}}]}}


def failed_answer(uid: str, reason: int) -> dict[str, Any]:
    """What it says of one that it has not."""
    item = {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
    return {"00081198": {"vr": "SQ", "Value": [item]}}
