"""An object of a kind for which highdicom has no class: its patient, study, series and equipment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.pacs.object_order import MANUFACTURER
from ...core.pacs.uids import derived_uid
from .source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


def plain_object(source: Source, sop_class: str, modality: str, uid: str, number: int) -> Dataset:
    """Object ``number`` (from 0) of the series that follows from the order's ``uid``, without content."""
    from highdicom.base import SOPClass

    first = source.datasets()[0]
    return SOPClass(
        study_instance_uid=first.StudyInstanceUID,
        series_instance_uid=derived_uid(uid, "series"),
        series_number=1,
        sop_instance_uid=derived_uid(uid, "instance", number),
        sop_class_uid=sop_class,
        instance_number=number + 1,
        modality=modality,
        manufacturer=MANUFACTURER,
        transfer_syntax_uid=_EXPLICIT_LITTLE,
    )
