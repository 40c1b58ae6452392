"""The frames of a DICOM segmentation, decoded one at a time by highdicom."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from ...core.errors import Refused
from ..header import corrupt
from .errors import damaged
from .write import write_dicom

if TYPE_CHECKING:
    import numpy
    from highdicom.io import ImageFileReader

    from .header import SegHeader

_DEFLATED = "1.2.840.10008.1.2.1.99"


def missing_reader() -> Refused | None:
    """The refusal where highdicom, which 3D Slicer does not bring, cannot be imported."""
    try:
        import highdicom.io  # noqa: F401
    except ImportError as error:
        return Refused(
            "dicom.no_segmentation_reader",
            f"DICOM segmentations are read by highdicom, which this Python does not have ({error}).",
        )
    return None


class FrameReader:
    """The frames of an open segmentation; a context manager.

    Raises :class:`Refused`: ``dicom.compressed``, ``input.corrupt``.
    """

    def __init__(self, header: SegHeader) -> None:
        self._header = header
        self._reader: ImageFileReader | None = None
        self._bits: _Bits | None = None

    def __enter__(self) -> FrameReader:
        from highdicom.io import ImageFileReader
        from pydicom.filebase import DicomIO

        stream = self._stream()
        try:
            if self._header.bits == 1 and not self._header.compressed:
                self._bits = _Bits(stream, self._header)
            else:
                self._reader = ImageFileReader(DicomIO(stream))
                self._reader.open()
        except damaged() as error:
            stream.close()
            raise self._refusal(error) from None
        self._open = stream
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def frame(self, number: int) -> numpy.ndarray:
        """Frame ``number`` (from 0) as stored: 0 and 1, a fraction of ``highest``, or numbers of segments.

        The shape is (rows, columns).
        """
        try:
            pixels: numpy.ndarray
            if self._bits is not None:
                pixels = self._bits.frame(number)
            else:
                assert self._reader is not None
                pixels = self._reader.read_frame(number, correct_color=False)
        except damaged() as error:
            raise self._refusal(error) from None
        if pixels.shape != (self._header.rows, self._header.columns):
            raise corrupt(self._header.name, f"frame {number + 1} has the shape {pixels.shape}")
        return pixels

    def _stream(self) -> BinaryIO:
        """The file; in memory and inflated where all of it is deflated, which highdicom does not open."""
        import pydicom

        if self._header.syntax != _DEFLATED:
            return open(self._header.path, "rb")
        data = pydicom.dcmread(self._header.path, force=True)
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        plain = io.BytesIO()
        write_dicom(plain, data)
        plain.seek(0)
        return plain

    def _refusal(self, error: Exception) -> Exception:
        """What to raise instead: the disk's own errors stay as they are."""
        if isinstance(error, OSError) and error.errno:
            return error
        name, syntax = self._header.name, self._header.syntax
        if self._header.compressed:
            return Refused("dicom.compressed", f"{name} cannot be decoded (transfer syntax {syntax}).")
        return corrupt(name, "its frames cannot be read")


class _Bits:
    """Frames of single bits, one after the other without padding (PS3.5 8.1.1).

    highdicom's reader of files (0.28.2) cuts a frame short that begins and ends within a byte, so the
    bytes are found here; its decoder is right.
    """

    def __init__(self, stream: BinaryIO, header: SegHeader) -> None:
        import pydicom

        data = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=["BitsAllocated"])
        self._stream, self._header = stream, header
        # Tag and length; with explicit representations two letters and two empty bytes between them.
        self._start = stream.tell() + (8 if data.is_implicit_VR else 12)
        self._syntax = header.syntax or str(pydicom.uid.ImplicitVRLittleEndian)

    def frame(self, number: int) -> numpy.ndarray:
        from highdicom.frame import decode_frame

        rows, columns = self._header.rows, self._header.columns
        first, last = number * rows * columns // 8, ((number + 1) * rows * columns + 7) // 8
        self._stream.seek(self._start + first)
        return decode_frame(
            self._stream.read(last - first), self._syntax, rows, columns,
            samples_per_pixel=1, bits_allocated=1, bits_stored=1,
            photometric_interpretation="MONOCHROME2", pixel_representation=0, index=number,
        )  # fmt: skip
