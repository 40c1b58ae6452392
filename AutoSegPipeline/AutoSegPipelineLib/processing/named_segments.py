"""A segment for a structure of which a table or a file says no more than its name."""

from __future__ import annotations

from ..core.segmentation import Code, Segment
from ..core.structure_names import machine_name
from ..formats.label_rows import Entry
from .anatomy import guess_group, likely_colour, readable_title
from .engines.structures import STRUCTURES
from .known_structures import structure_called
from .read_seg_nrrd import unique_name


def segment_of(entry: Entry, taken: set[str], number: int) -> Segment:
    """Label ``entry`` of the first layer, its name unique among ``taken``; ``number`` varies its colour."""
    name = unique_name(machine_name(entry.name), taken)
    known = STRUCTURES.get(name)
    usual = structure_called(name)
    coded = known or usual
    codes: dict[str, Code | None] = dict(entry.codes)  # what the table states; nothing is mixed into it
    if not codes and coded:
        codes = {"category": coded.category, "code": coded.code, "modifier": coded.modifier}
    if not entry.codes and usual:
        codes.update(region=usual.region, region_modifier=usual.region_modifier)
    return Segment(
        layer=0,
        value=entry.value,
        name=name,
        title=known.title if known else readable_title(entry.name),
        colour=entry.colour or (usual.colour if usual else likely_colour(name, number)),
        group=coded.group if coded else guess_group(name),
        opacity=known.opacity if known else 1.0,
        category=codes.get("category"),
        code=codes.get("code"),
        modifier=codes.get("modifier"),
        region=codes.get("region"),
        region_modifier=codes.get("region_modifier"),
    )
