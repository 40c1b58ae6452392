"""A watched folder with everything that its watcher called back, and small files to drop into it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.intake.examine import examine
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.runtime.inbox.watcher import InboxWatcher

from support.qt import run_for, run_until

SETTLE = 0.2


def nifti(shape=(4, 4, 4), seed=0):
    """The bytes of a small NIfTI-1 file of int16."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 4, 16)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    struct.pack_into("<f", head, 108, 352)
    struct.pack_into("<2h", head, 252, 0, 1)
    for row in range(3):
        struct.pack_into("<4f", head, 280 + 16 * row, *(float(row == column) for column in range(4)))
    head[344:348] = b"n+1\0"
    values = np.random.default_rng(seed).integers(-1000, 1000, int(np.prod(shape)), dtype="<i2")
    return bytes(head) + values.tobytes()


def dicom(path, series="1.2.3", number=1, image=True, patient="P"):
    """One small CT slice (or a report)."""
    from pydicom.dataset import Dataset, FileMetaDataset

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2" if image else "1.2.840.10008.5.1.4.1.1.88.11"
    data.SOPInstanceUID = f"{series}.{number}"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID = series, "1.2"
    data.PatientID, data.Modality, data.SeriesNumber = patient, "CT" if image else "SR", 3
    if image:
        data.Rows = data.Columns = 4
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.SamplesPerPixel, data.PixelRepresentation = 15, 1, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.InstanceNumber = [1, 1], number
        data.PixelData = np.full(16, number, "<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(str(path), enforce_file_format=True)
    return path


def ask_here(paths, answer):
    """The intake child's work without the child; the answer still comes from the loop."""
    rows = examine(paths).files
    qt.single_shot(0, lambda: answer(rows))


class Watching:
    """A watcher on a real folder with everything that it called back."""

    def __init__(self, folder, ask=ask_here, events=True, truncated=30.0, rescan=0.5, settle=SETTLE):
        self.inbox = folder
        self.arrivals, self.refusals, self.counts, self.ledger = [], [], [], {}
        self.passed, self.labels = [], []
        settings = Settings.defaults(
            settle_seconds=settle, rescan_seconds=rescan, truncated_minutes=truncated / 60
        )
        self.watcher = InboxWatcher(
            folder, ask, settings, SystemClock(), self.ledger.get,
            self.arrivals.extend, self._refused, self.passed.extend,
            self.counts.append, events=events,
        )  # fmt: skip
        self.watcher.start()

    def _refused(self, paths, error, label):
        self.refusals.append((paths, error))
        self.labels.append(label)

    def names(self):
        return [[Path(found.path).name for found in arrival.files] for arrival in self.arrivals]

    def codes(self):
        return {Path(paths[0]).name: error.code for paths, error in self.refusals}

    def until(self, arrivals=0, refusals=0, timeout=10):
        run_until(lambda: len(self.arrivals) >= arrivals and len(self.refusals) >= refusals, timeout)

    def settle(self, periods=4.0):
        run_for(SETTLE * periods)
