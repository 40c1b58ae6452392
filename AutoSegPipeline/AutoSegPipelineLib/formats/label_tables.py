"""Label tables: which label is which structure, in the dialects that people have.

CSV with commas, semicolons or tabs (``value,name[,color]``, BIDS's ``dseg.tsv``, 3D Slicer's
``LabelValue,Name,Color_R,...``), ITK-SNAP's label descriptions, the colour tables of 3D Slicer
(``.ctbl``) and FreeSurfer, JSON (nnU-Net's ``dataset.json``), lines like ``1 liver``. A table is
recognised by its content and read leniently (order and names of the columns, with or without a
header), but what cannot be understood is an error that names the line.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ..core.errors import PipelineError
from ..core.segmentation import Code
from .label_json import read_json
from .label_rows import Entry, RawColour, Rows, channels, colour_of

__all__ = ["Entry", "read_table"]

# The first of these that is a column counts; ``label`` may be either and is what the others leave.
_VALUE = (
    "value", "labelvalue", "label value", "index", "idx", "label index", "labelid", "label id", "id",
    "segment id", "region id", "roi id", "parcel id", "number", "label number", "no", "no.", "key", "label",
)  # fmt: skip
_NAME = (
    "name", "labelname", "label name", "structure", "structure name", "segment", "segment name", "region",
    "region name", "roi", "roi name", "parcel", "text", "title", "full name", "description", "label",
    "abbreviation", "acronym",
)  # fmt: skip
_COLOUR = (
    "color", "colour", "rgb", "rgba", "hex", "color hex", "colour hex", "hex color", "color hex triplet",
    "rgb color",
)  # fmt: skip
_CHANNELS = (
    ("r", "red", "color r", "colour r", "color red"),
    ("g", "green", "color g", "colour g", "color green"),
    ("b", "blue", "color b", "colour b", "color blue"),
)
# 3D Slicer's columns of codes, and the fields of a segment that they fill.
_CODED = {
    "category": "category", "type": "code", "typemodifier": "modifier", "region": "region",
    "regionmodifier": "region_modifier",
}  # fmt: skip
_PARTS = ("codingscheme", "codevalue", "codemeaning")
_SNAP = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+\s+\d\s+\d\s+"(.*)"\s*$')
_NUMBER = r"\s+(\d+(?:\.\d*)?)"
# Slicer and FreeSurfer: value name r g b a, where older ones of FSL end before the alpha.
_LUT = re.compile(r"\s*(\d+)\s+(\S.*?)" + 3 * _NUMBER + r"(?:" + _NUMBER + r")?\s*$")
_PLAIN = re.compile(r"\s*(\d+)\s*(?:[:=]\s*|\s)\s*(\S.*?)\s*$")
_MOST_BYTES = 64 << 20


def read_table(path: Path, name: str = "") -> list[Entry]:
    """The rows of a table, background left out; raises ``export.bad_table`` naming the line.

    ``name`` is what messages call the table.
    """
    name = name or path.name
    text = _text(path, name)
    rows = Rows(name)
    readers = (read_json,) if text.lstrip()[:1] in ("{", "[") else (_read_patterns, _read_csv)
    if any(read(rows, text) for read in readers):
        return rows.entries()
    raise PipelineError("export.bad_table", f"{name} holds no label")


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PipelineError("export.bad_table", f"{name} is too large for a table of names")
        data = path.read_bytes()
    except OSError as error:
        raise PipelineError(
            "export.bad_table", f"the table {name} cannot be read: {error.strerror}"
        ) from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PipelineError("export.bad_table", f"{name}, line {line}: not UTF-8 text") from error


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    numbered = enumerate(re.split(r"\r\n|\r|\n", text), 1)
    return [(number, row) for number, row in numbered if row.strip() and row.lstrip()[0] != "#"]


def _read_patterns(rows: Rows, text: str) -> bool:
    """ITK-SNAP (``idx r g b a vis mesh "name"``), colour tables (``value name r g b a``), ``1 liver``."""
    lines = _lines(text)
    if not lines or _delimiter(lines[0][1]):
        return False
    for pattern, places in ((_SNAP, (1, 5, (2, 3, 4))), (_LUT, (1, 2, (3, 4, 5))), (_PLAIN, (1, 2, ()))):
        if pattern.match(lines[0][1]) is None:
            continue
        for number, row in lines:
            match = pattern.match(row)
            if match is None:
                raise rows.error(number, f"cannot be understood: {row.strip()[:60]!r}")
            value, name, colour = places
            title = match.group(name)
            if pattern is _LUT:
                title = title.strip('"').replace("_", " ")
            parts = [match.group(channel) for channel in colour]
            rows.add(number, match.group(value), title, channels(rows, number, parts) if parts else None)
        return bool(rows.entries())
    return False


def _read_csv(rows: Rows, text: str) -> bool:
    lines = _lines(text)
    if not lines:
        return False
    delimiter = _delimiter(lines[0][1])
    split = [(number, _cells(row, delimiter)) for number, row in lines]
    widest = max(len(cells) for _, cells in split)
    columns, has_header = _columns(rows, split[0][0], split[0][1], widest)
    coded = _code_columns(split[0][1]) if has_header else None
    for number, cells in split[1 if has_header else 0 :]:
        if not any(cells):
            continue
        if max(columns["value"], columns["name"]) >= len(cells):
            raise rows.error(number, f"needs a value and a name, has {len(cells)} cell(s)")
        colour = _row_colour(rows, number, cells, columns)
        codes = [] if coded is None else _row_codes(cells, coded)
        rows.add(number, cells[columns["value"]], cells[columns["name"]], colour, codes)
    return bool(rows.entries())


def _code_columns(cells: list[str]) -> dict[str, tuple[int, int, int]]:
    """Field of a segment -> the columns of scheme, value and meaning; ``cells`` are the header's."""
    places = {cell.replace(" ", "").casefold(): place for place, cell in enumerate(cells)}
    found = {}
    for word, key in _CODED.items():
        wanted = [f"{word}_{part}" for part in _PARTS]
        if all(name in places for name in wanted):
            scheme, value, meaning = (places[name] for name in wanted)
            found[key] = (scheme, value, meaning)
    return found


def _row_codes(cells: list[str], columns: dict[str, tuple[int, int, int]]) -> list[tuple[str, Code]]:
    """What a row states of its meaning; a concept without scheme or value is none."""
    found = []
    for key, places in columns.items():
        if max(places) < len(cells):
            scheme, value, meaning = (cells[place] for place in places)
            if scheme and value:
                found.append((key, Code(scheme, value, meaning or value)))
    return found


def _cells(row: str, delimiter: str) -> list[str]:
    if not delimiter:
        return row.split()
    return [cell.strip() for cell in next(csv.reader(io.StringIO(row), delimiter=delimiter))]


def _delimiter(line: str) -> str:
    """The character between two cells of ``line``; empty where blanks separate them."""
    # A quoted name may hold a comma, so what is in quotes does not count.
    bare = re.sub(r'"[^"]*"', "", line)
    found = max(("\t", ";", ","), key=bare.count)
    if found == "\t" and (_SNAP.match(line) or _LUT.match(line)):
        return ""
    return found if found in bare else ""


def _columns(rows: Rows, number: int, cells: list[str], widest: int) -> tuple[dict[str, int], bool]:
    """Where each column is, and whether the row was a header; ``widest`` counts the cells of any row."""
    words = [re.sub(r"[_\s]+", " ", cell).casefold() for cell in cells]
    found: dict[str, int] = {}
    known = {"value": _VALUE, "name": _NAME, "colour": _COLOUR}
    known.update({f"channel{n}": channel for n, channel in enumerate(_CHANNELS)})
    for key, accepted in known.items():
        place = next((words.index(word) for word in accepted if word in words), None)
        if place is not None and place not in found.values():
            found[key] = place
    if "name" not in found and "value" in found and words[found["value"]] != "label" and "label" in words:
        found["name"] = words.index("label")
    if "value" in found and "name" in found:
        return found, True
    whole = [re.fullmatch(r"\d+(\.0*)?", cell) is not None for cell in cells[:2]]
    if len(cells) >= 2 and any(whole):
        plain = {"value": 0, "name": 1} if whole[0] else {"value": 1, "name": 0}
        if widest >= 5:
            plain.update({"channel0": 2, "channel1": 3, "channel2": 4})
        elif widest >= 3:
            plain["colour"] = 2
        return plain, False
    raise rows.error(number, f"the columns value and name are not there (found: {', '.join(cells)[:80]})")


def _row_colour(rows: Rows, number: int, cells: list[str], columns: dict[str, int]) -> RawColour | None:
    places = [columns[key] for key in ("channel0", "channel1", "channel2") if key in columns]
    if len(places) == 3 and max(places) < len(cells) and all(cells[place] for place in places):
        return channels(rows, number, [cells[place] for place in places])
    place = columns.get("colour")
    if place is None or place >= len(cells):
        return None
    return colour_of(rows, number, cells[place])
