"""Synthetic scans with known anatomy, and writers for every format that a scan comes in.

The demo, the self-test, the tests and the benchmarks use them; nothing here
comes from a patient.
"""

from __future__ import annotations

from .build import Phantom, centred_affine, spheres, torso
from .write_dicom import write_dicom_series
from .write_files import write_metaimage, write_nifti, write_nrrd

__all__ = [
    "Phantom",
    "centred_affine",
    "spheres",
    "torso",
    "write_dicom_series",
    "write_metaimage",
    "write_nifti",
    "write_nrrd",
]
