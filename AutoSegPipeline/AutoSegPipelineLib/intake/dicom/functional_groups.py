"""What an enhanced object's functional groups say of each of its frames (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .elements import Elements
from .instance import Frame, Instance, Orientation, Vector

if TYPE_CHECKING:
    from pydicom import Dataset


def read_frames(data: Dataset, instance: Instance) -> None:
    """Fill ``frame_list`` and the distances between slices; nothing of it where there are no groups.

    Raises :class:`.elements.BadValue`.
    """
    of = _spare(data)
    instance.thickness, instance.between = of.spare("SliceThickness"), of.spare("SpacingBetweenSlices")
    instance.location, instance.concatenation = of.spare("SliceLocation"), of.uid("ConcatenationUID")
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = data.get("PerFrameFunctionalGroupsSequence")
    if not frames and shared is not None and instance.frames == 1:
        frames = [shared]  # a lone frame may say everything in the shared groups
    for groups in frames or ():
        instance.frame_list.append(_frame(groups, shared, instance))
    if instance.frame_list:
        first = instance.frame_list[0]
        instance.position, instance.orientation = first.position, first.orientation
        instance.spacing, instance.thickness = first.spacing, first.thickness


def _frame(groups: Dataset, shared: Dataset | None, instance: Instance) -> Frame:
    """One frame; what its groups lack is taken from the data set itself."""

    def needed(group: str, keyword: str, count: int) -> tuple[float, ...] | None:
        # The converters' copy is only mended at the top.
        return Elements(_group(groups, shared, group), {}, instance.remarks).numbers(keyword, count)

    where = needed("PlanePositionSequence", "ImagePositionPatient", 3)
    how = needed("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    apart = needed("PixelMeasuresSequence", "PixelSpacing", 2)
    measures = _spare(_group(groups, shared, "PixelMeasuresSequence"))
    content = _spare(_group(groups, None, "FrameContentSequence"))
    kinds = _spare(_group(groups, shared, "MRImageFrameTypeSequence"))
    trigger = _spare(_group(groups, shared, "CardiacSynchronizationSequence"))
    scale = _spare(_group(groups, shared, "PixelValueTransformationSequence"))
    thickness, between = measures.spare("SliceThickness"), measures.spare("SpacingBetweenSlices")
    slope, at = scale.spare("RescaleSlope"), instance.position if instance.frames == 1 else None
    return Frame(
        position=at if where is None else to_vector(where),
        orientation=instance.orientation if how is None else to_orientation(how),
        spacing=instance.spacing if apart is None else (apart[0], apart[1]),
        thickness=instance.thickness if thickness is None else thickness,
        between=instance.between if between is None else between,
        kind=tuple(word.upper() for word in kinds.words("FrameType")),
        echo=_spare(_group(groups, shared, "MREchoSequence")).code("EffectiveEchoTime"),
        moment=content.code("TemporalPositionIndex") + "/" + trigger.code("NominalCardiacTriggerDelayTime"),
        acquisition=content.code("FrameAcquisitionNumber"),
        rescale=(1.0 if slope is None else slope, scale.spare("RescaleIntercept") or 0.0),
    )


def _spare(data: Dataset) -> Elements:
    """For values that only bear witness: nothing is said of those that cannot be read."""
    return Elements(data, {}, {})


def _group(frame: Dataset, shared: Dataset | None, keyword: str) -> Dataset:
    """A functional group's only item, of the frame or of all frames."""
    from pydicom import Dataset

    for place in (frame, shared):
        items = place.get(keyword) if place is not None else None
        if items:
            found: Dataset = items[0]
            return found
    return Dataset()


def to_vector(values: tuple[float, ...]) -> Vector:
    """Three numbers as what type checkers know to be three."""
    x, y, z = values
    return (x, y, z)


def to_orientation(values: tuple[float, ...]) -> Orientation:
    """Six numbers as what type checkers know to be six."""
    a, b, c, d, e, f = values
    return (a, b, c, d, e, f)
