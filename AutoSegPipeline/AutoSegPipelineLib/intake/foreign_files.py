"""What a file is that is no scan in a format read here, and how its content gets in."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import Refused

_UNPACK = "Unpack it and give the folder, or pack it as a .zip."
_SCAN = "Give the scan itself: DICOM, NIfTI, NRRD, MetaImage or a .zip of these."
_NRRD = "Open it in 3D Slicer and save the volume as .nrrd."


@dataclass(frozen=True)
class ForeignFormat:
    """``what`` a file is, with its article; ``starts`` it begins with, or an ending of its name."""

    what: str
    remedy: str
    starts: tuple[bytes, ...] = ()
    endings: tuple[str, ...] = ()


COMPRESSED = ForeignFormat(
    "compressed and holds no NIfTI file", "Decompress it first.", (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
)
# The first that fits counts, by its first bytes before any by its name.
FOREIGN: tuple[ForeignFormat, ...] = (
    ForeignFormat("a RAR archive", _UNPACK, (b"Rar!\x1a\x07",), (".rar",)),
    ForeignFormat("a 7-Zip archive", _UNPACK, (b"7z\xbc\xaf\x27\x1c",), (".7z",)),
    ForeignFormat("a tar archive", _UNPACK, (), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")),
    COMPRESSED,
    ForeignFormat("an image of a disc", "Open it and give the folder on it.",
        (), (".iso", ".img.iso", ".nrg", ".dmg"),
    ),
    ForeignFormat("a JPEG picture", _SCAN, (b"\xff\xd8\xff",), (".jpg", ".jpeg")),
    ForeignFormat("a JPEG 2000 picture", _SCAN, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    ForeignFormat("a PNG picture", _SCAN, (b"\x89PNG\r\n",), (".png",)),
    ForeignFormat("a TIFF picture", _SCAN, (b"II*\0", b"MM\0*"), (".tif", ".tiff")),
    ForeignFormat("a GIF picture", _SCAN, (b"GIF87a", b"GIF89a"), (".gif",)),
    ForeignFormat("a PDF document", _SCAN, (b"%PDF-",), (".pdf",)),
    ForeignFormat("a web page", _SCAN, (b"<!DOCTYPE html", b"<!doctype html", b"<html"), (".html", ".htm")),
    ForeignFormat("a program", _SCAN, (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe"), (".exe", ".dll", ".app")),
    ForeignFormat(
        "a MINC volume", "Convert it with mnc2nii to NIfTI.", (b"CDF\x01", b"CDF\x02"), (".mnc", ".mnc.gz")
    ),
    ForeignFormat("an HDF5 file", "Convert its volume to NIfTI.", (b"\x89HDF\r\n",), (".h5", ".hdf5")),
    ForeignFormat(
        "a FreeSurfer volume", "Convert it with mri_convert to NIfTI.", (), (".mgz", ".mgh", ".mgh.gz")
    ),
    ForeignFormat(
        "half of a Philips PAR/REC pair", "Convert the pair with dcm2niix to NIfTI.", (), (".par", ".rec")
    ),
    ForeignFormat(
        "half of an AFNI pair", "Convert the pair with 3dAFNItoNIFTI to NIfTI.", (),
        (".head", ".brik", ".brik.gz"),
    ),
    ForeignFormat("an ECAT volume", "Convert it with dcm2niix to NIfTI.", (b"MATRIX7",), (".v",)),
    ForeignFormat("a NumPy array without a geometry", "Save it as NIfTI with its affine.",
        (b"\x93NUMPY",), (".npz",),
    ),
    ForeignFormat("a MATLAB file", "Save its volume as NIfTI.", (b"MATLAB 5.0",), (".mat",)),
    ForeignFormat("a scene of 3D Slicer", _NRRD, (), (".mrml", ".mrb")),
    ForeignFormat("a VTK file", _NRRD, (b"# vtk DataFile",), (".vtk", ".vti", ".vtp", ".vtu")),
    ForeignFormat("a surface model", _SCAN, (), (".stl", ".obj", ".ply", ".gltf", ".glb")),
    ForeignFormat("a set of fibre tracts", _SCAN, (b"TRACK\0", b"mrtrix tracks"), (".trk", ".tck")),
    ForeignFormat("a table or a text", _SCAN, (),
        (".csv", ".tsv", ".txt", ".json", ".xml", ".md", ".log", ".ini"),
    ),
)  # fmt: skip


def what_it_is(head: bytes, name: str) -> ForeignFormat | None:
    """The foreign format of a file that begins with ``head`` and is called ``name``."""
    starts = next((one for one in FOREIGN if one.starts and head.startswith(one.starts)), None)
    if starts is not None and starts is not COMPRESSED:
        return starts
    # What is compressed shows only in its name what lies in it.
    return next((one for one in FOREIGN if name.lower().endswith(one.endings)), None) or starts


def unknown_format(head: bytes, name: str) -> Refused:
    """``input.unknown_format`` that says what the file is, where that is known, and what to do."""
    found = what_it_is(head, name)
    if found is None:
        return Refused("input.unknown_format", f"{name} is no scan that is known here.")
    return Refused("input.unknown_format", f"{name} is no scan: it is {found.what}.", found.remedy)
