"""A copy of a DICOM file with numbers as converters read them, and the warnings about what files lack."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ...formats.dicom_seg.errors import BROKEN
from ...formats.header import corrupt
from .group import series_name
from .read import unknown_kinds
from .stack import Stack
from .twins import with_twins

if TYPE_CHECKING:
    from .instance import Instance

_SHOWN = 3
_KINDS = frozenset(re.findall("..", "AEASATCSDADSDTFLFDISLOLTOBODOFOLOVOWPNSHSLSQSSSTSVTMUCUIULUNURUSUTUV"))


def write_mended(source: str, instance: Instance) -> None:
    """Write ``source`` to ``instance.path`` with mended numbers and without elements of unknown kinds.

    Its pixels stay as they are.

    Raises ``input.corrupt``.
    """
    import pydicom
    from pydicom.dataelem import DataElement

    name = instance.label.rpartition("/")[2]
    try:
        with unknown_kinds() if instance.unknown_kinds else nullcontext():
            data = pydicom.dcmread(source, force=True)
        if instance.unknown_kinds:
            for odd in [tag for tag in list(data.keys()) if not _is_known(data.get_item(tag))]:
                del data[odd]
        for keyword, text in instance.mended.items():
            tag = pydicom.datadict.tag_for_keyword(keyword)
            if tag is not None:
                data[tag] = DataElement(tag, "DS", text)
        data.save_as(instance.path)
    except OSError as error:
        if error.errno is not None:
            raise
        raise corrupt(name, "its data elements end in disorder") from None
    except BROKEN as error:
        raise corrupt(name, "its header is too damaged to be mended") from error


def _is_known(element: object) -> bool:
    kind = getattr(element, "VR", None)
    return kind is None or kind in _KINDS


def odd_headers(stack: Stack) -> list[dict[str, str]]:
    """Warnings, one of a kind, about what had to be taken from elsewhere, left out or read otherwise."""
    name, every = series_name(stack.first), list(with_twins(stack.files))
    found = []
    lacking = [one for one in every if one.missing]
    if lacking:
        kinds = [
            kind for kind in ("instance", "series", "study") if any(kind in one.missing for one in lacking)
        ]
        what = f"{_count(lacking)} without a UID of {_listed(kinds)}"
        if any(one.own_series for one in lacking):
            what = f"each of {_count(lacking)} states a series of its own"
        text = f"{name}: {what}; slices and series were told apart by what else the headers say."
        found.append({"code": "dicom.uids_missing", "message": text})
    if any(one.modality_assumed for one in every):
        text = f"{name} states no modality; {stack.first.modality} was taken from its SOP class."
        found.append({"code": "dicom.modality_assumed", "message": text})
    twins = [twin for one in stack.files for twin in one.twins]
    if twins:
        few = ", ".join(twin.label for twin in twins[:_SHOWN]) + (" ..." if len(twins) > _SHOWN else "")
        text = f"{name}: {_count(twins)} with the same pixels at the same place as another left out: {few}."
        found.append({"code": "dicom.duplicates", "message": text})
    if any(one.burned_in for one in every):
        text = f"{name}: its header says that text is burned into its pixels; it may name the patient."
        found.append({"code": "dicom.text_in_pixels", "message": text})
    remarks = {key: text for one in reversed(every) for key, text in one.remarks.items()}
    if remarks:
        found.append({"code": "dicom.odd_values", "message": f"{name}: {'; '.join(remarks.values())}."})
    return found


def _count(instances: list[Instance]) -> str:
    return f"{len(instances)} file" + ("s" if len(instances) > 1 else "")


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
