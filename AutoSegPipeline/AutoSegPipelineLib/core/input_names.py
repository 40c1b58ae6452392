"""What the name of a file that came in says about it, before anybody reads the file."""

from __future__ import annotations

# What is called so wants to be a scan or its data: where it is none, its owner should hear of it.
SCAN_ENDINGS = (
    ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".hdr.gz", ".img", ".img.gz",
    ".raw", ".raw.gz", ".zraw", ".dcm", ".dicom", ".ima",
    # Volumes in formats that are not read here.
    ".mgz", ".mgh", ".mgh.gz", ".mnc", ".mnc.gz", ".par", ".rec", ".head", ".brik", ".brik.gz",
)  # fmt: skip
# Zip archives that are documents or programs.
DOCUMENT_ENDINGS = (
    ".docx", ".docm", ".dotx", ".xlsx", ".xlsm", ".pptx", ".ppsx", ".vsdx", ".odt", ".ods", ".odp", ".odg",
    ".epub", ".pages", ".numbers", ".key", ".jar", ".war", ".apk", ".xpi", ".crx", ".nupkg", ".whl", ".vsix",
)  # fmt: skip
DICOMDIR = "DICOMDIR"


def is_scan_name(name: str) -> bool:
    """Whether a file of this name wants to be a scan, or the data of one."""
    return name.lower().endswith(SCAN_ENDINGS)


def is_document_name(name: str) -> bool:
    """Whether a zip archive of this name is a document or a program."""
    return name.lower().endswith(DOCUMENT_ENDINGS)


def is_index(name: str) -> bool:
    """Whether a file of this name is the index of a DICOM disc."""
    return name.casefold() == DICOMDIR.casefold()
