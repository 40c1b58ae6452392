"""A job: one input on its way, as everybody sees it.

The fields of :class:`Job` are the one description of a job: the SQL schema and its migrations, the
API's model, the dictionaries and the docs follow from them. A further field is one line here, with
``since`` the number of the next migration (:data:`.store.schema.VERSION`).
"""

from __future__ import annotations

# ruff: noqa: RUF009 - a table is read by its columns; the functions give dataclasses.field
import dataclasses
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping

from . import states
from .clock import rfc3339


def _field(help: str, default: Any = None, factory: Callable[[], Any] | None = None, since: int = 0) -> Any:
    """A field that everybody sees. ``since``: the migration that added it; ``help`` is Markdown."""
    metadata = {"help": help, "public": True, "since": since}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _private(help: str, default: Any = None, factory: Callable[[], Any] | None = None, since: int = 0) -> Any:
    """A field that the pipeline alone knows: where files lie, how often it was tried."""
    public = _field(help, default, factory, since)
    return dataclasses.field(
        default=public.default,
        default_factory=public.default_factory,
        metadata={**public.metadata, "public": False},
    )


@dataclass
class Job:
    """One row of ``jobs``. :meth:`to_dict` is its public form, everywhere the same."""

    id: str = _field("32 hexadecimal digits", factory=lambda: uuid.uuid4().hex)
    name: str = _field("stem of the result files; empty until inspected", "")
    label: str = _field("the name that the source gave", "")
    input: str = _field("where it came from", "")
    door: str = _field(
        "how it came in: `inbox`, `submit`, `run`, `export`, `web`, `dicom`, `console`", "submit"
    )
    submitted_by: str = _field("who asked, where known", "")
    state: str = _field("see [architecture](architecture.md#states-of-a-job)", states.RECEIVING)
    progress: float = _field("0 to 1", 0.0)
    message: str = _field("current activity", "")
    eta_s: float | None = _field("seconds left")
    engine: str = _field("the engine that was used", "")
    options: dict[str, Any] = _field("the options of the case", factory=dict)
    modality: str = _field("CT, MR or empty", "")
    shape: list[int] | None = _field("voxels along i, j, k")
    spacing: list[float] | None = _field("millimetres along i, j, k")
    series_key: str | None = _field("key of its DICOM series")
    version: int = _field("1 for the first version of a series", 1)
    supersedes: str | None = _field("the job of the version before")
    cached_from: str | None = _field("the job whose label map was reused")
    priority: int = _field("0 (whenever) to 100 (next)", 50)
    times: dict[str, str] = _field(
        "state to the time (RFC 3339, UTC) at which it was last entered", factory=dict
    )
    outputs: list[dict[str, Any]] = _field("`kind`, `name`, `size`, `sha256` of each file", factory=list)
    warnings: list[dict[str, str]] = _field("`code` and `message` of each", factory=list)
    error: dict[str, str] | None = _field("`code`, `message`, `hint` of what went wrong")
    revision: int = _field("increases with each change", 0)
    visible_to: list[str] = _field(
        "accounts that see it besides those that see everything", factory=list, since=1
    )
    review: dict[str, Any] = _field(
        "what a person thinks of the result: `mark` (`good`, `bad` or empty), `remark`, `by`, `at`, `of` "
        "(hash of the segmentation that was looked at), `outdated` (a retry gave another one)",
        factory=dict,
        since=2,
    )
    where: str = _field(
        "the machine and the scheduler's job that compute or computed it; empty is this machine", "", since=3
    )
    staged: dict[str, Any] = _private("what intake said about the input", factory=dict)
    out: str = _private("results folder of this job; empty means the home's", "")
    attempt: int = _private("which attempt this is: what an earlier one writes is ignored", 0)
    vanished: int = _private("how often its worker vanished", 0)
    deaths: int = _private("how often the pipeline itself ended meanwhile", 0)
    not_before: float = _private("back-off: not started earlier (seconds since 1970)", 0.0)
    queued_at: float = _private("place in the queue (seconds since 1970)", 0.0)
    cancel: int = _private("whether somebody asked to stop it", 0)
    content: str = _private("hash of the input's bytes", "")
    parent: str | None = _private("the job whose archive or folder held this one")

    @property
    def has_result(self) -> bool:
        """Whether it has a published result, also while it runs again and where that did not succeed."""
        return bool(self.outputs)

    def folder(self, results: Path) -> Path:
        """Where its results are: in a folder of its own, else in ``results``, the home's."""
        return Path(self.out) if self.out else results

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in states.ENDS

    def to_dict(self) -> dict[str, object]:
        """The public form for command line, API, events and console."""
        return {one.name: getattr(self, one.name) for one in FIELDS if one.public}

    def stamp(self, now: float) -> None:
        """Note that the present state was entered at ``now`` (seconds since 1970)."""
        self.times[self.state] = rfc3339(now)

    def to_row(self) -> dict[str, object]:
        """Column values for the store."""
        row = {name: getattr(self, name) for name in COLUMNS}
        for name in _JSON:
            row[name] = None if row[name] is None else json.dumps(row[name])
        return row

    @classmethod
    def from_row(cls, row: Any) -> Job:
        """The job of one row (a mapping of column to value)."""
        values = {name: row[name] for name in COLUMNS}
        for name in _JSON:
            values[name] = None if values[name] is None else json.loads(values[name])
        return cls(**values)


_SQL = {"str": "TEXT", "int": "INTEGER", "float": "REAL"}


@dataclass(frozen=True)
class JobField:
    """One field of :class:`Job`. ``type`` is its annotation without ``| None``, which is ``optional``."""

    name: str
    type: str
    optional: bool
    public: bool
    help: str
    since: int
    default: Any

    @property
    def json(self) -> bool:
        """Whether its column holds JSON text."""
        return self.type not in _SQL

    @property
    def python_type(self) -> Any:
        """``type`` as a type, without ``| None``: Slicer's Python 3.9 cannot evaluate that."""
        names = {"str": str, "int": int, "float": float, "dict": dict, "list": list, "Any": Any}
        return eval(self.type, {"__builtins__": {}}, names)

    @property
    def column(self) -> str:
        """Its column in SQL: ``"eta_s" REAL``, ``"name" TEXT NOT NULL``."""
        if self.name == "id":
            return '"id" TEXT PRIMARY KEY'
        return f'"{self.name}" {_SQL.get(self.type, "TEXT")}' + ("" if self.optional else " NOT NULL")

    @property
    def added_column(self) -> str:
        """The same for a table that has rows already: they get the default."""
        if self.optional:
            return self.column
        value = json.dumps(self.default) if self.json else self.default
        text = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
        return f"{self.column} DEFAULT {text}"


def fields_of(kind: type) -> tuple[JobField, ...]:
    """The description of each field of ``kind``, a dataclass like :class:`Job`."""
    return tuple(_described(one) for one in dataclasses.fields(kind))


def _described(one: Any) -> JobField:
    text = str(one.type)
    kind = text[: -len(" | None")] if text.endswith(" | None") else text
    metadata: Mapping[str, Any] = one.metadata
    default = one.default_factory() if one.default is dataclasses.MISSING else one.default
    return JobField(
        one.name, kind, kind != text, metadata["public"], metadata["help"], metadata["since"], default
    )


FIELDS: tuple[JobField, ...] = fields_of(Job)
COLUMNS: tuple[str, ...] = tuple(one.name for one in FIELDS)
_JSON: tuple[str, ...] = tuple(one.name for one in FIELDS if one.json)
