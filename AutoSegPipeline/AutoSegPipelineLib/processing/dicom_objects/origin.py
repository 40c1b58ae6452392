"""What made a result and when, in DICOM's words: equipment, algorithm, dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Mapping

from ... import __version__
from ...core.clock import parse_rfc3339
from ...core.engines import BY_NAME
from ...core.pacs.object_order import MANUFACTURER
from ...core.pacs.uids import derived_uid

if TYPE_CHECKING:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.sr import AlgorithmIdentification
    from pydicom import Dataset
    from pydicom.sr.coding import Code

    from ..engine_facts import EngineFacts

SERIAL = "none"  # type 1 in enhanced equipment; software has no serial number
_LONGEST_TEXT = 64


@dataclass(frozen=True)
class Algorithm:
    """An engine, what it ran (task, device, hashes of weights), and the names of what it found."""

    name: str
    version: str
    ran: Mapping[str, str]
    found: frozenset[str]

    @classmethod
    def of(cls, engine: EngineFacts) -> Algorithm:
        """From the row of a manifest."""
        weights = "; ".join(
            f"{task} {digest}" for task, digest in engine.get("weights", {}).items() if digest
        )
        ran = {"task": engine.get("task", ""), "device": engine.get("device", ""), "weights": weights}
        # Commas and equals signs separate parameters.
        ran = {key: text.replace(",", ";").replace("=", ":") for key, text in ran.items() if text}
        version = engine.get("version", "") or __version__
        return cls(
            engine["name"][:_LONGEST_TEXT],
            version[:_LONGEST_TEXT],
            ran,
            frozenset(engine.get("structures", ())),
        )

    @property
    def family(self) -> Code:
        """The kind of algorithm (CID 7162)."""
        from pydicom.sr.codedict import codes

        row = BY_NAME.get(self.name)  # none: a program that the administrator declared
        trained = row is None or row.trained
        return codes.cid7162.ArtificialIntelligence if trained else codes.cid7162.MorphologicalOperations

    def of_segments(self) -> AlgorithmIdentificationSequence:
        """The algorithm identification of segments."""
        from highdicom import AlgorithmIdentificationSequence

        return AlgorithmIdentificationSequence(
            self.name, self.family, self.version, MANUFACTURER, dict(self.ran) or None
        )

    def of_measurements(self) -> AlgorithmIdentification:
        """The same for a report."""
        from highdicom.sr import AlgorithmIdentification

        ran = [f"{key}={text}" for key, text in self.ran.items()]
        return AlgorithmIdentification(self.name, self.version, ran or None)


@dataclass(frozen=True)
class Origin:
    """From a case's manifest: its engines, and when it was made."""

    algorithms: tuple[Algorithm, ...]
    made: datetime

    @classmethod
    def of(cls, manifest: Mapping[str, object]) -> Origin:
        """What ``manifest`` says. The times of objects are the result's, so they are made the same twice."""
        made = datetime.fromtimestamp(parse_rfc3339(str(manifest["created"])), timezone.utc)
        engines = manifest.get("engines")
        rows: list[EngineFacts] = engines if isinstance(engines, list) else []
        rows = rows or [{"name": MANUFACTURER}]
        return cls(tuple(Algorithm.of(row) for row in rows), made)

    def algorithm(self, structure: str) -> Algorithm:
        """What found the structure of this name."""
        return next((one for one in self.algorithms if structure in one.found), self.algorithms[0])

    @property
    def model(self) -> str:
        """The manufacturer's model name: the engines."""
        return " + ".join(one.name for one in self.algorithms)[:_LONGEST_TEXT]

    @property
    def software(self) -> list[str]:
        """Software versions: this library's and the engines'."""
        engines = [f"{one.name} {one.version}"[:_LONGEST_TEXT] for one in self.algorithms]
        return [f"{MANUFACTURER} {__version__}", *engines]

    @property
    def device_uid(self) -> str:
        """The same for the same software everywhere."""
        return derived_uid("", *self.software)

    def mark(self, data: Dataset, description: str) -> None:
        """Give an object its equipment, its series' description and the dates of the result.

        They are in the time zone that the object states, as its study's are; in this machine's where it
        states none.
        """
        data.Manufacturer, data.ManufacturerModelName = MANUFACTURER, self.model
        data.SoftwareVersions, data.DeviceSerialNumber = self.software, SERIAL
        data.SeriesDescription = description
        made = self.made.astimezone(_zone(str(data.get("TimezoneOffsetFromUTC") or "")))
        day, time = made.strftime("%Y%m%d"), made.strftime("%H%M%S")
        for name in ("InstanceCreation", "Content", "Series"):
            setattr(data, f"{name}Date", day)
            setattr(data, f"{name}Time", time)
        for item in data.get("ContributingEquipmentSequence", []):
            item.ContributionDateTime = day + time


def _zone(offset: str) -> timezone | None:
    """The time zone of ``+0130`` (PS3.3 C.12.1.1.8); ``None`` for this machine's."""
    if len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdigit():
        return None
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
