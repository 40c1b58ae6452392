"""What the routes of the PACS take and answer."""

from __future__ import annotations

from typing import Dict, List, Optional

from pydantic import BaseModel, ConfigDict, Field

_PEER = Field(min_length=1, max_length=100, description="a name in dicom.json")
_UID = Field(pattern=r"^[0-9.]{1,64}$")


class PeerDocument(BaseModel):
    """An archive: whether it answered, and what was exchanged. Times are seconds since 1970."""

    name: str
    where: str
    echo: Optional[float]
    answers: bool
    note: str
    received: Optional[float]
    sent: Optional[float]
    fetches_open: int
    fetches_failed: int
    sends_open: int
    sends_failed: int


class WatchDocument(BaseModel):
    """A repeated search; ``at`` is null before its first round."""

    name: str
    peer: str
    every_minutes: float
    at: Optional[float]
    ok: bool
    note: str
    found: int
    waiting: int


class RefusedDocument(BaseModel):
    """Somebody who was not let in, and the line of dicom.json that would let them in."""

    title: str
    called: str
    address: str
    reason: str
    count: int
    last: float
    line: str


class FetchDocument(BaseModel):
    """A study on its way here; ``total`` is null where the archive does not say how many instances it has."""

    id: int
    peer: str
    study: str
    series: List[str]
    label: str
    entry: str
    by: str
    watch: str
    state: str
    at: float
    changed: float
    done: int
    total: Optional[int]
    tries: int
    note: str
    jobs: List[str]


class ReceivedDocument(BaseModel):
    """A series that was sent to us: coming, waiting, done or left out, and why it waits or was left out."""

    calling: str
    called: str
    state: str
    version: int
    instances: int
    note: str
    last: float


class LeftOutDocument(BaseModel):
    """A series that the rules of ``entry`` left out."""

    entry: str
    at: float
    series: str
    study: str
    reason: str


class SendDocument(BaseModel):
    """Results of a job that wait for an archive, or did not get there; ``note`` says why."""

    id: int
    job: str
    label: str
    peer: str
    state: str
    tries: int
    note: str
    since: float


class PacsDocument(BaseModel):
    """The PACS at a glance. ``receiver``, ``watches``, ``refused`` and ``received`` are for admins."""

    running: bool
    note: str
    receiver: str
    entries: List[str]
    peers: List[PeerDocument]
    watches: List[WatchDocument]
    refused: List[RefusedDocument]
    received: List[ReceivedDocument]
    sends: List[SendDocument]
    fetches: List[FetchDocument]
    left_out: List[LeftOutDocument]


class Search(BaseModel):
    """Which archive, and values by field: patient, name, accession, study, modality, date, description."""

    model_config = ConfigDict(extra="forbid")
    peer: str = _PEER
    match: Dict[str, str]


class StudyDocument(BaseModel):
    """A study that was found; ``label`` is what it is called here when it is fetched."""

    uid: str
    date: str
    time: str
    description: str
    accession: str
    patient: str
    name: str
    modalities: List[str]
    series: Optional[int]
    instances: Optional[int]
    label: str


class StudyList(BaseModel):
    """The newest first; ``more``: the limit cut the list off."""

    studies: List[StudyDocument]
    more: bool


class OneStudy(BaseModel):
    """Of which archive, which study."""

    model_config = ConfigDict(extra="forbid")
    peer: str = _PEER
    study: str = _UID


class SeriesDocument(BaseModel):
    """A series of it; ``is_scan``: a case can come of it."""

    uid: str
    number: Optional[int]
    modality: str
    description: str
    body_part: str
    instances: Optional[int]
    is_scan: bool


class SeriesList(BaseModel):
    """By number."""

    series: List[SeriesDocument]


class NewFetch(BaseModel):
    """What to fetch; without ``series`` all of CT and MR that the rules of ``entry`` take."""

    model_config = ConfigDict(extra="forbid")
    peer: str = _PEER
    study: str = _UID
    series: List[str] = Field(default_factory=list, max_length=200)
    label: str = Field("", pattern=r"^([A-Za-z/]{2,16}( \d{4}-\d{2}-\d{2})?)?$")
    entry: str = Field("", max_length=16)
    options: Dict[str, object] = Field(default_factory=dict)


class EchoDocument(BaseModel):
    """Whether it answers, and if not, why."""

    peer: str
    answers: bool
    note: str
