"""Names, codes and colours of classes that another program, model or file brings: never guessed.

What a table states of a class counts before all else. A code that nobody stated comes from the project's
table of anatomy (:mod:`.known_structures`), and only where the name or the stated code means exactly a
structure of it; a name that means nothing there has no code. Group and colour without a source are those
that the words of the name suggest (:mod:`.anatomy`): they say nothing about the meaning.
"""

from __future__ import annotations

from typing import Mapping

from ..core.segmentation import Code, Segment
from ..core.structure_names import machine_name
from ..formats.label_rows import Entry
from .anatomy import guess_group, likely_colour, readable_title
from .engines.structures import STRUCTURES
from .known_structures import KnownStructure, structure_called, structure_coded
from .read_seg_nrrd import unique_name


def segment_of(entry: Entry, taken: set[str], number: int) -> Segment:
    """Label ``entry`` of the first layer, its name unique among ``taken``; ``number`` varies its colour."""
    name = unique_name(machine_name(entry.name), taken)
    known = STRUCTURES.get(name)
    usual = structure_called(name)
    coded = known or usual
    codes: dict[str, Code | None] = dict(entry.codes)  # what the table states; nothing is mixed into it
    meant = _meant(codes) if codes else usual
    if not codes and coded:
        codes = {"category": coded.category, "code": coded.code, "modifier": coded.modifier}
    if not entry.codes and usual:
        codes.update(region=usual.region, region_modifier=usual.region_modifier)
    grouped = coded or meant
    return Segment(
        layer=0,
        value=entry.value,
        name=name,
        title=known.title if known else readable_title(entry.name),
        colour=entry.colour or (meant.colour if meant else likely_colour(name, number)),
        group=grouped.group if grouped else guess_group(name),
        opacity=known.opacity if known else 1.0,
        category=codes.get("category"),
        code=codes.get("code"),
        modifier=codes.get("modifier"),
        region=codes.get("region"),
        region_modifier=codes.get("region_modifier"),
    )


def _meant(codes: Mapping[str, Code | None]) -> KnownStructure | None:
    """The structure of the project's table that has exactly the stated codes."""
    return structure_coded(*(codes.get(key) for key in ("code", "modifier", "region", "region_modifier")))
