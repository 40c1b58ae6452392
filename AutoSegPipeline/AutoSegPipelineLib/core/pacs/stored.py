"""What becomes of an instance that came by STOW-RS: the dicom process says it, the web passes it on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """``status`` is 0 or a failure reason of PS3.18, 10.5.3; UIDs are empty where they could not be read."""

    sop_class: str
    sop_instance: str
    status: int
    comment: str
