"""The facts of a series from the headers of its files, as the intake reads them."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import Iterable, Sequence, TypeVar

from ...core.errors import Refused
from ...core.pacs.series_facts import SeriesFacts
from ...intake.dicom.elements import Elements, elements_of
from ...intake.dicom.group import no_volume, series_name
from ...intake.dicom.identity import arriving_series
from ...intake.dicom.instance import Instance, Orientation, Vector
from ...intake.dicom.patients import without_words
from ...intake.dicom.read import read_instance
from ...intake.dicom.stack import normal_of

log = logging.getLogger(__name__)

T = TypeVar("T")
# The cosine of 25 degrees: a tilted gantry still makes axial slices.
_UPRIGHT = 0.906
_PLANES = ("sagittal", "coronal", "axial")  # whose normals are the axes x, y and z of the patient
_NO_AGENT = ("no", "none", "n", "0", "without", "w/o", "nein", "ohne")
_BOLUS = ("ContrastBolusAgentSequence", "ContrastBolusVolume", "ContrastBolusStartTime",
          "ContrastBolusIngredient", "ContrastBolusRoute")  # fmt: skip
_EXTRA = ("ProtocolName", "Manufacturer", "BurnedInAnnotation", "ContrastBolusAgent", *_BOLUS)
# Slices nearer than this lie at one place.
_SAME_PLACE_MM = 0.01


def read_study(paths: Iterable[str]) -> list[SeriesFacts]:
    """The facts of each series that ``paths`` hold; files without a readable DICOM header are left out."""
    series: dict[str, list[Instance]] = defaultdict(list)
    for path in paths:
        try:
            instance = read_instance(path, path, path)
        except (Refused, OSError) as error:
            log.debug("no header to choose by: %s", error)
            continue
        uid = instance.series_uid or arriving_series(instance, "")
        series[uid].append(instance)
    return [facts_of(uid, members) for uid, members in series.items()]


def facts_of(uid: str, members: Sequence[Instance]) -> SeriesFacts:
    """The facts of one series; what its instances disagree about is what most of them say."""
    planes = [plane for one in members if one.image for plane in one.planes()] or list(members)
    first = planes[0]
    extra = elements_of(first.path, _EXTRA)
    no_scan = _no_scan(planes)
    scans = [one for one in planes if no_scan or no_volume(one, "") is None]
    orientation = _most(one.orientation for one in scans)
    return SeriesFacts(
        uid=uid,
        study=first.study_uid,
        modality=first.modality,
        description=_most(one.description for one in planes) or "",
        protocol=without_words(extra.prose("ProtocolName"), first.patient_words),
        body_part=_most(one.body_part for one in planes) or "",
        kernel=_most(one.kernel for one in scans) or "",
        image_type=_most(one.image_type for one in scans) or (),
        orientation=plane_of(orientation) if orientation else "",
        contrast=_contrast(extra),
        burned_in={"YES": "yes", "NO": "no"}.get(extra.code("BurnedInAnnotation").upper(), "unknown"),
        manufacturer=extra.prose("Manufacturer"),
        thickness=_most(one.thickness for one in scans),
        spacing=_spacing(scans, orientation),
        slices=len(scans),
        number=first.number,
        no_scan=no_scan,
    )


def plane_of(orientation: Orientation) -> str:
    """``axial``, ``coronal`` or ``sagittal`` up to 25 degrees, else ``oblique``."""
    normal = [abs(value) for value in normal_of(orientation)]
    most = max(range(3), key=lambda axis: normal[axis])
    return _PLANES[most] if normal[most] >= _UPRIGHT else "oblique"


def _no_scan(planes: Sequence[Instance]) -> str:
    """Why none of the instances can be a slice; ``""`` where one can."""
    name = series_name(planes[0])
    refusals = [no_volume(one, name) for one in planes]
    if any(refused is None for refused in refusals):
        return ""
    found = _most(refused.message for refused in refusals if refused is not None)
    return (found or "").rstrip(".")


def _most(values: Iterable[T | None]) -> T | None:
    """The most frequent of ``values`` that say something; the first of those as frequent."""
    counted = Counter(value for value in values if value)
    return counted.most_common(1)[0][0] if counted else None


def _spacing(planes: Sequence[Instance], orientation: Orientation | None) -> float | None:
    """The usual distance of neighbours along the normal, in mm."""
    stated = _most(one.between for one in planes)
    if orientation is None or len(planes) < 2:
        return stated
    normal = normal_of(orientation)
    places = (one.position for one in planes if one.orientation == orientation)
    heights = sorted(_along(place, normal) for place in places if place is not None)
    steps = sorted(b - a for a, b in zip(heights, heights[1:]) if b - a > _SAME_PLACE_MM)
    return round(steps[len(steps) // 2], 3) if steps else stated


def _along(place: Vector, normal: Vector) -> float:
    return sum(a * b for a, b in zip(place, normal))


def _contrast(extra: Elements) -> str:
    """PS3.3 C.7.6.4: the module is there where an agent was used; scanners also write NONE or nothing."""
    agent = extra.prose("ContrastBolusAgent")
    if agent:
        return "no" if agent.casefold() in _NO_AGENT else "yes"
    return "yes" if any(extra.present(keyword) for keyword in _BOLUS) else "no"
