"""Label tables in JSON: nnU-Net's ``dataset.json``, plain mappings, lists, dcmqi's segment attributes."""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from ..core.segmentation import Code
from .label_rows import RawColour, Rows, channels, colour_of

# Where a document keeps its labels; a document that is nothing but a mapping has none of them.
_PLACES = (
    "labels", "label_map", "labelmap", "label_dict", "label_names", "classes", "class_map", "class_names",
    "segmentAttributes", "segments", "structures", "names",
)  # fmt: skip
_VALUES = ("value", "labelID", "label_id", "labelValue", "index", "id", "key", "label")
_NAMES = ("name", "SegmentLabel", "label_name", "label", "title", "text", "description")
_CONCEPTS = {
    "category": "SegmentedPropertyCategoryCodeSequence",
    "code": "SegmentedPropertyTypeCodeSequence",
    "modifier": "SegmentedPropertyTypeModifierCodeSequence",
    "region": "AnatomicRegionSequence",
    "region_modifier": "AnatomicRegionModifierSequence",
}
_COLOURS = ("color", "colour", "rgb", "recommendedDisplayRGBValue", "hex")


def read_json(rows: Rows, text: str) -> bool:
    """Whether the document names labels; raises ``export.bad_table`` for one that is damaged."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise rows.error(error.lineno, f"not JSON: {error.msg}") from None
    except RecursionError:
        raise rows.error(0, "not JSON of labels: nested too deeply") from None
    place = next((document[key] for key in _PLACES if key in document), document) if isinstance(
        document, dict
    ) else document  # fmt: skip
    if isinstance(place, dict):
        for key, value in place.items():
            _pair(rows, key, value)
    elif isinstance(place, list):
        _list(rows, place)
    return bool(rows.entries())


def _list(rows: Rows, items: list[Any]) -> None:
    flat = [one for item in items for one in (item if isinstance(item, list) else [item])]
    background = bool(flat) and str(flat[0]).casefold() in ("background", "clear label", "unknown")
    for number, item in enumerate(flat, 0 if background else 1):
        if isinstance(item, Mapping):
            _object(rows, str(number), item)
        else:
            rows.add(0, str(number), str(item))


def _pair(rows: Rows, key: str, value: Any) -> None:
    """``"liver": 1``, ``"1": "liver"``, ``"kidneys": [1, 2]``, ``"1": {"name": "liver"}``."""
    if isinstance(value, Mapping):
        _object(rows, key, value)
    elif isinstance(value, list):
        numbers = [int(one) for one in value if _is_label(one)]
        if not numbers or len(numbers) < len(value):
            raise rows.error(0, f"{key!r}: {json.dumps(value)[:60]} are no label values")
        if len(numbers) == 1:
            rows.add(0, str(numbers[0]), key)
        else:
            rows.add_region(key, numbers)
    elif isinstance(value, str) and _is_label(key):
        rows.add(0, key, value)
    elif _is_label(value):
        rows.add(0, str(int(float(value))), key)
    else:
        raise rows.error(0, f"{key!r}: {json.dumps(value)[:60]} is no label value")


def _object(rows: Rows, key: str, item: Mapping[str, Any]) -> None:
    value = next((item[k] for k in _VALUES if _is_label(item.get(k))), key if _is_label(key) else None)
    name = next((item[k] for k in _NAMES if isinstance(item.get(k), str) and not _is_label(item[k])), "")
    if not name and not _is_label(key):
        name = key
    if value is None or not name:
        raise rows.error(0, f"{json.dumps(item)[:60]} states no value and name")
    rows.add(0, str(int(float(value))), name, _colour(rows, item), _codes(item))


def _codes(item: Mapping[str, Any]) -> list[tuple[str, Code]]:
    """The concepts of dcmqi's segment attributes."""
    found = []
    for key, word in _CONCEPTS.items():
        concept = item.get(word)
        if isinstance(concept, Mapping):
            scheme, value, meaning = (
                str(concept.get(part) or "")
                for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
            )
            if scheme and value:
                found.append((key, Code(scheme, value, meaning or value)))
    return found


def _colour(rows: Rows, item: Mapping[str, Any]) -> RawColour | None:
    given = next((item[key] for key in _COLOURS if item.get(key)), None)
    if isinstance(given, list) and len(given) in (3, 4):
        return channels(rows, 0, [str(part) for part in given[:3]])
    return colour_of(rows, 0, given) if isinstance(given, str) else None


def _is_label(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    return re.fullmatch(r"\d{1,10}(\.0*)?", str(value).strip()) is not None
