"""Makes DICOM objects: ``python -m AutoSegPipelineLib.processing.dicom_objects.build ORDER.json``.

The last line on standard output is the answer, JSON: a :class:`~...core.pacs.object_order.BuiltObjects`,
or ``{"error": {...}}``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ...core.error_origin import origin_of
from ...core.errors import PipelineError
from ...core.files import is_disk_full, read_json
from ...core.messages.reader import plain, read
from ...core.pacs.object_order import CAPTURE, REPORT, SEG, STL, BuiltFile, BuiltObjects, ObjectOrder
from ...formats.dicom_seg.write import write_dicom
from ..read_seg_nrrd import read_seg_nrrd
from . import capture, report, seg, stl
from .origin import Origin
from .source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

# Series numbers of ours follow from the source's: 3 becomes 391 to 394.
_NUMBERS = {SEG: 91, REPORT: 92, STL: 93, CAPTURE: 94}
_DESCRIPTIONS = {
    SEG: seg.DESCRIPTION, REPORT: report.DESCRIPTION, STL: stl.DESCRIPTION, CAPTURE: capture.DESCRIPTION
}  # fmt: skip


class Builder:
    """Writes the objects of ``order`` into its folder, each checked against its source."""

    def __init__(self, order: ObjectOrder) -> None:
        self._order = order
        self._source = Source.read(Path(order.headers))
        manifest = read_json(Path(order.manifest))
        _check_case(manifest, self._source)
        self._origin = Origin.of(manifest)
        self._files: list[BuiltFile] = []

    def build(self) -> BuiltObjects:
        """All of them. Raises :class:`PipelineError`."""
        order, source = self._order, self._source
        segmentation = read_seg_nrrd(Path(order.segmentation))
        texts = [segment.title for segment in segmentation.segments]
        layers = seg.layers_of(segmentation, source, order.uids[SEG])
        shown = [one for layer in layers for one in layer.structures]
        if {SEG, REPORT} & set(order.kinds):
            objects = [
                seg.seg_object(
                    layer, n, source, self._origin, order.uids[SEG], order.encoding, order.compression
                )
                for n, layer in enumerate(layers)
            ]
            self._write(SEG, objects, texts)
            if REPORT in order.kinds:
                rows, unit = report.read_statistics(Path(order.statistics))
                one = report.report_object(
                    shown, rows, unit, objects, source, self._origin, order.uids[REPORT]
                )
                self._write(REPORT, [one], texts)
        if STL in order.kinds:
            for number, one in enumerate(
                stl.stl_objects(Path(order.stl), segmentation, source, order.uids[STL])
            ):
                self._write(STL, [one], texts, number)
        if CAPTURE in order.kinds:
            one = capture.capture_object(Path(order.picture), source, order.uids[CAPTURE])
            self._write(CAPTURE, [one], texts)
        there = {one.segment.name for one in shown}
        left_out = [one.name for one in segmentation.segments if one.name not in there]
        return BuiltObjects(self._files, source.identity, left_out)

    def _write(self, kind: str, objects: Sequence[Dataset], texts: Sequence[str], first: int = 0) -> None:
        """Finish the objects of a kind; those that nobody ordered are only made for others to refer to."""
        for number, data in enumerate(objects, first):
            self._source.mark(data, texts)
            self._origin.mark(data, _DESCRIPTIONS[kind])
            own = self._source.series.series_number or 0
            data.SeriesNumber = max(0, min(own, 9_999_999)) * 100 + _NUMBERS[kind]
            if kind in self._order.kinds:
                self._save(kind, data, Path(self._order.out) / f"{kind}-{number + 1}.dcm")

    def _save(self, kind: str, data: Dataset, path: Path) -> None:
        import pydicom

        write_dicom(path, data)
        # What is on the disk counts, not what was meant.
        written = pydicom.dcmread(path, stop_before_pixels=True)
        self._source.check(written, path.name)
        self._files.append(
            BuiltFile(
                kind, str(path), str(written.SOPClassUID), str(written.SOPInstanceUID),
                str(written.SeriesInstanceUID), str(written.file_meta.TransferSyntaxUID),
            )
        )  # fmt: skip


def _check_case(manifest: dict[str, object], source: Source) -> None:
    """Raise where the result was made of another input than the headers are of."""
    given = manifest.get("input")
    content = given.get("sha256") if isinstance(given, dict) else None
    if content != source.series.content:
        raise PipelineError("pacs.patient_mismatch", "The result was made of other images than its headers.")


def _end_with_parent() -> None:
    """End this process when standard input closes: whoever started it is gone."""
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Read the order, make the objects, print the answer."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if os.name != "nt":
        os.umask(0o077)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = plain(Builder(read(ObjectOrder, read_json(Path(arguments[0])))).build())
    except PipelineError as error:
        answer = {"error": error.to_dict()}
    except ImportError as error:
        answer = {
            "error": PipelineError("pacs.packages_missing", f"No objects without {error.name}.").to_dict()
        }
    except OSError as error:
        code = "environment.disk_full" if is_disk_full(error) else "pacs.objects_failed"
        answer = {"error": PipelineError(code, str(error.strerror or error)).to_dict()}
    except Exception as error:  # the job begins here
        answer = {"error": PipelineError("pacs.objects_failed", origin_of(error) + ".").to_dict()}
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
