"""The types of what the API answers and takes; the OpenAPI document is made from them.

``Optional`` and not ``X | None``: these annotations are evaluated, and Slicer has Python 3.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..core import states
from ..core.cohort.columns import Cell
from ..core.job import FIELDS, JobField

State = str
_STATES = ", ".join(states.ALL)


class Problem(BaseModel):
    """RFC 9457 problem details with a stable ``code`` of docs/errors.md."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""


class CodedError(BaseModel):
    """Why a job did not end well."""

    code: str
    message: str
    hint: str = ""


class Warned(BaseModel):
    """Something to know about a result."""

    code: str
    message: str


class Output(BaseModel):
    """One result file."""

    kind: str
    name: str
    size: int
    sha256: str


class JobLinks(BaseModel):
    """Addresses of what belongs to a job."""

    self: str
    log: str
    files: Optional[str] = None
    zip: Optional[str] = None


# What is inside of a field that the store keeps as JSON, and what else the document says of a field.
_INSIDE: dict[str, Any] = {"outputs": list[Output], "warnings": list[Warned], "error": CodedError}
_MORE: dict[str, Any] = {"state": {"description": f"one of {_STATES}"}, "progress": {"ge": 0, "le": 1}}


def _field_of(one: JobField) -> tuple[Any, Any]:
    kind = _INSIDE.get(one.name, one.python_type)
    return (Optional[kind] if one.optional else kind), Field(
        **{"description": one.help, **_MORE.get(one.name, {})}
    )


if TYPE_CHECKING:
    _JobFields = BaseModel
else:
    _JobFields = create_model("_JobFields", **{one.name: _field_of(one) for one in FIELDS if one.public})


class JobDocument(_JobFields):
    """One job, as command line, API, events and console show it: the public fields of ``core/job.py``."""

    links: JobLinks


class JobPage(BaseModel):
    """Some jobs; go on with ``cursor`` (null: that was all), follow with ``revision``."""

    jobs: list[JobDocument]
    cursor: Optional[str]
    revision: int
    total: Optional[int] = Field(None, description="of `order=work`: how many jobs match")
    counts: Optional[dict[str, int]] = Field(
        None, description="of `order=work`: by state, whatever states were asked for"
    )
    places: Optional[dict[str, int]] = Field(
        None, description="of `order=work`: place in the queue by id; 0 is next"
    )


class Done(BaseModel):
    """The pipeline did it."""

    ok: bool
    job: Optional[str] = None
    state: Optional[State] = None


class ReviewBody(BaseModel):
    """What somebody thinks of a result; neither mark nor remark takes an earlier review back."""

    model_config = ConfigDict(extra="forbid")
    mark: str = Field("", pattern="^(good|bad|)$", description="`good`, `bad` or empty")
    remark: str = Field("", max_length=2000)


class ReviewsBody(ReviewBody):
    """The same of many jobs at once."""

    jobs: list[str] = Field(min_length=1, max_length=500, description="ids")


class Reviewed(BaseModel):
    """What became of the review of one job: ``error`` is null where it is kept."""

    job: str
    error: Optional[CodedError] = None


class ReviewedJobs(BaseModel):
    """One entry for each job that was named, in their order."""

    jobs: list[Reviewed]


class TablePage(BaseModel):
    """Some rows of the table over all cases, by column; ``total`` rows and ``cases`` fit and are visible."""

    rows: list[dict[str, Cell]]
    total: int
    cases: int
    structures: list[str] = Field(description="names for a filter")
    parquet: bool = Field(description="whether `table.parquet` can be written here")


class MethodsDocument(BaseModel):
    """A methods paragraph; its keys in brackets are those of ``bibtex``."""

    cases: int
    paragraph: str
    bibtex: str
    weights: dict[str, str] = Field(description="SHA-256 by task")


class Change(BaseModel):
    """What may be changed of a waiting or running job."""

    model_config = ConfigDict(extra="forbid")
    priority: int = Field(ge=0, le=100, description="0 (whenever) to 100 (next)")


class FileDocument(BaseModel):
    """One result file and where to have it."""

    kind: str
    name: str
    size: int
    sha256: str
    href: str


class ResultDocument(BaseModel):
    """A finished case."""

    job: str
    name: str
    label: str
    finished: Optional[str]
    engine: str
    modality: str
    version: int
    cached_from: Optional[str]
    warnings: list[Warned]
    size: int = Field(description="bytes of all files together")
    files: list[FileDocument]
    links: JobLinks


class ResultPage(BaseModel):
    """Some finished cases, the newest first."""

    results: list[ResultDocument]
    cursor: Optional[str]
    revision: int


class Changes(BaseModel):
    """What happened after ``since``; ask again with ``revision``."""

    revision: int
    more: bool = Field(description="there was too much for one answer: ask again at once")
    reset: bool = Field(description="`since` is of another store: forget what you know and start again")
    jobs: list[JobDocument]
    deleted: list[str]


class UploadedFile(BaseModel):
    """What arrived of one file."""

    name: str
    size: int
    sha256: str


class Uploaded(BaseModel):
    """The jobs that an upload became (the original's clients read ``jobs``) and what arrived."""

    jobs: list[JobDocument]
    files: list[UploadedFile]


class UploadDocument(BaseModel):
    """A resumable upload."""

    id: str
    state: str
    label: str
    batch: Optional[str]
    offset: int
    length: int
    sha256: Optional[str]
    expires: str
    href: str
    jobs: list[JobDocument]


class UploadList(BaseModel):
    """One's own uploads that are under way."""

    uploads: list[UploadDocument]


class OptionSchema(BaseModel):
    """A JSON schema (draft 2020-12) of one case option."""

    model_config = ConfigDict(extra="allow")
    type: str
    default: Any = None
    description: str = ""


class EngineDocument(BaseModel):
    """One engine as it describes itself.

    ``auto`` may choose it unless that is false; ``alone``: it cannot be combined with others.
    """

    model_config = ConfigDict(extra="allow")
    name: str
    title: str = ""
    ok: bool = False
    auto: bool = True
    alone: bool = False
    missing: list[str] = Field(default_factory=list)
    note: str = ""
    tasks: list[Any] = Field(default_factory=list)


class FormatDocument(BaseModel):
    """One result format: the word of the option ``formats``, and what people read."""

    kind: str
    title: str
    help: str
    endings: list[str]
    default: bool
    always: bool
    lacks: str = Field(description="what to install before it can be written; empty: nothing")


class Engines(BaseModel):
    """What scans can be segmented with; ``known`` is false until a worker has answered."""

    known: bool
    engines: list[EngineDocument]
    options: dict[str, OptionSchema]
    formats: list[FormatDocument]


class Paused(BaseModel):
    """Why no new case is begun, here or on the cluster."""

    code: str
    reason: str


class Status(BaseModel):
    """The pipeline at a glance."""

    running: bool
    version: str
    revision: int
    paused: Optional[Paused]
    cluster: Optional[Paused] = Field(description="why no case leaves for the cluster now")
    counts: dict[str, int]
    waiting: int
    current: list[JobDocument]
    uploads_open: bool = Field(description="false while the disk is too full to take more")
    insecure: str = Field(description="why this page should not be open to other machines; mostly empty")


class Health(BaseModel):
    """``live``: this process answers; ``ready``: work can be done."""

    status: str
    live: bool
    ready: bool
    details: Optional[dict[str, Any]] = None


PROBLEMS: dict[Any, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be served."},
    "5XX": {"model": Problem, "description": "The server cannot serve it now."},
}
