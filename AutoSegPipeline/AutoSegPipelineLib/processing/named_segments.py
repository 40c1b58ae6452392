"""A segment for a structure of which a table or a file says no more than its name."""

from __future__ import annotations

from ..core.segmentation import Segment
from ..core.structure_names import machine_name
from ..formats.label_rows import Entry
from .anatomy import guess_group, likely_colour, readable_title
from .engines.structures import STRUCTURES
from .read_seg_nrrd import unique_name


def segment_of(entry: Entry, taken: set[str], number: int) -> Segment:
    """Label ``entry`` of the first layer, its name unique among ``taken``; ``number`` varies its colour."""
    name = unique_name(machine_name(entry.name), taken)
    known = STRUCTURES.get(name)
    return Segment(
        layer=0,
        value=entry.value,
        name=name,
        title=known.title if known else readable_title(entry.name),
        colour=entry.colour or likely_colour(name, number),
        group=known.group if known else guess_group(name),
        opacity=known.opacity if known else 1.0,
        category=known.category if known else None,
        code=known.code if known else None,
        modifier=known.modifier if known else None,
    )
