"""What people can ask of a running pipeline: one class for each command, and the table of all of them.

The fields of a class are the command's arguments; its class variables say what it is called, who
may ask, and where it is offered. A door makes one, ``Cancel(job.id)``, and
either has :func:`.store.ask.ask` write it into the store, or, in the pipeline's own process, calls the
function of :class:`..runtime.commands.Commands` that does it. ``Commands.perform`` lists which one that is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Mapping, Optional, Union, get_args, get_type_hints

from . import review
from .errors import PipelineError
from .specs import BY_NAME

OPERATOR = "operator"  # of the roles that accounts have


@dataclass(frozen=True)
class Route:
    """A request of the web API below ``/api/v1/jobs``, and the least role that may send it."""

    method: str
    path: str
    role: str


@dataclass(frozen=True)
class _Command:
    """``name`` stands in the request rows and is what one types after ``autoseg``.

    ``http`` is None where the web API does not offer the command. Whoever can run ``autoseg`` or
    Slicer on the pipeline's machine may do everything there.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    http: ClassVar[Optional[Route]] = None
    command_line: ClassVar[bool] = False
    panel: ClassVar[bool] = False  # a button of Slicer's panel

    @property
    def about(self) -> str | None:
        """The job that its request row names."""
        return None

    def arguments(self) -> dict[str, object]:
        """What stands in the row beside the job, for :func:`parse`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values.pop("job", None)
        return values


@dataclass(frozen=True)
class _JobCommand(_Command):
    job: str  # its id, or a unique beginning

    def __post_init__(self) -> None:
        if not self.job:
            raise PipelineError("request.invalid", f"{self.name} needs a job")

    @property
    def about(self) -> str | None:
        return self.job


@dataclass(frozen=True)
class Cancel(_JobCommand):
    """The input goes to ``failed/``. A job that has ended, or is being published, cannot be cancelled."""

    name = "cancel"
    help = "Cancel a job that waits or runs; its input goes to failed/."
    http = Route("POST", "/{job_id}/cancel", OPERATOR)
    command_line = panel = True


@dataclass(frozen=True)
class Retry(_JobCommand):
    """Answered when the input is back in its place."""

    name = "retry"
    help = "Queue a job again that has ended, with its own input."
    http = Route("POST", "/{job_id}/retry", OPERATOR)
    command_line = panel = True


@dataclass(frozen=True)
class Priority(_JobCommand):
    """``priority`` is the case option of that name. Raises ``options.*`` for a wrong one."""

    priority: int

    name = "priority"
    help = "Let a waiting job go earlier (100: next) or later (0: whenever)."
    http = Route("PATCH", "/{job_id}", OPERATOR)
    command_line = True

    def __post_init__(self) -> None:
        super().__post_init__()
        BY_NAME["priority"].parse(self.priority, "priority")


@dataclass(frozen=True)
class Place(_JobCommand):
    """``before`` is the id of another queued job; None puts the job last."""

    before: Optional[str] = None

    name = "place"
    help = "Move a queued job in front of another one, or to the end of the queue."
    panel = True


@dataclass(frozen=True)
class Purge(_JobCommand):
    """The name stays reserved so that no later case gets it."""

    name = "purge"
    help = "Remove every trace of an ended job: results, input, log and row. Its name stays reserved."
    http = Route("DELETE", "/{job_id}", OPERATOR)
    command_line = panel = True


@dataclass(frozen=True)
class Review(_JobCommand):
    """``mark`` is good, bad or empty, ``by`` who says so. Without mark and remark the review is taken back.

    Kept when the job is run again; outdated if that gives another segmentation.
    """

    mark: str
    remark: str
    by: str

    name = "review"
    help = "Say of an ended job whether its result is good or bad, with a remark; exported in the table."
    http = Route("PUT", "/{job_id}/review", OPERATOR)
    command_line = panel = True

    def __post_init__(self) -> None:
        super().__post_init__()
        review.check(self.mark, self.remark)


@dataclass(frozen=True)
class Adopt(_Command):
    """Asked by ``autoseg submit`` and by uploads; ``id`` is also that of the job."""

    id: str

    name = "adopt"
    help = "Take a scan that another process has staged under state/incoming/."

    @property
    def about(self) -> str | None:
        return self.id


@dataclass(frozen=True)
class Example(_Command):
    """The job is there at once; ``by`` who asks, whose example that has not ended yet is the answer again."""

    by: str

    name = "example"
    help = "Make a synthetic CT of a torso, no patient's, and segment it like an upload."
    http = Route("POST", "/example", OPERATOR)


@dataclass(frozen=True)
class Pause(_Command):
    """Survives a restart."""

    name = "pause"
    help = "Begin no new case until `autoseg resume`; the running one is finished."
    command_line = True


@dataclass(frozen=True)
class Resume(_Command):
    """Also looks at once whether what had paused the pipeline (a full disk ...) has been mended."""

    name = "resume"
    help = "Go on after `autoseg pause`."
    command_line = True


@dataclass(frozen=True)
class Watch(_Command):
    """The queue goes on either way. Holds until the pipeline stops."""

    on: bool

    name = "watch"
    help = "Begin or stop to take what lies in the inbox."
    panel = True


@dataclass(frozen=True)
class AddModel(_Command):
    """``upload`` holds the model (:mod:`.model_uploads`); empty texts leave it to the model itself.

    ``channels`` are patterns for descriptions of DICOM series, a line each, and
    ``folds`` numbers or ``all``, a line each. ``trust``: its checkpoints may
    run code. ``added_by`` is the administrator who asks. Answered when the model was checked.
    """

    upload: str
    model: str
    title: str
    modality: str
    channels: str
    folds: str
    checkpoint: str
    configuration: str
    trainer: str
    trust: bool
    replace: bool
    added_by: str

    name = "model.add"
    help = "Add a trained model that was uploaded."


@dataclass(frozen=True)
class CheckModel(_Command):
    """Answered when its files were compared and its networks built."""

    model: str

    name = "model.check"
    help = "Check that a model is as it was added and can run."


@dataclass(frozen=True)
class RemoveModel(_Command):
    """Results that it made stay."""

    model: str

    name = "model.remove"
    help = "Remove a model."


@dataclass(frozen=True)
class Stop(_Command):
    """Answered before the pipeline ends; it has ended when nobody holds the home's lock."""

    name = "stop"
    help = "Stop the running pipeline; its case goes back to the queue."
    command_line = True


# Commands.perform does not type-check while one of these has no function.
JobCommand = Union[
    Cancel,
    Retry,
    Priority,
    Place,
    Purge,
    Review,
]
Command = Union[JobCommand, Adopt, Example, Pause, Resume, Watch, AddModel, CheckModel, RemoveModel, Stop]
TABLE: tuple[type[Command], ...] = get_args(Command)
BY_COMMAND_NAME: dict[str, type[Command]] = {row.name: row for row in TABLE}


def parse(name: str, job: str | None, arguments: Mapping[str, object]) -> Command:
    """The command of one request row.

    Raises ``request.invalid`` for a name that is not in the table and for arguments that are
    missing or of the wrong type; ``options.*`` for a priority out of range.
    """
    row = BY_COMMAND_NAME.get(name)
    if row is None:
        raise PipelineError("request.invalid", f"the pipeline knows no request {name!r}")
    types = get_type_hints(row)
    given = {**arguments, "job": job or ""}
    values: dict[str, Any] = {}
    for field in fields(row):
        value = values[field.name] = given.get(field.name)
        # type() and not isinstance(): True is no number.
        if type(value) not in (get_args(types[field.name]) or (types[field.name],)):
            raise PipelineError("request.invalid", f"{name}: {field.name} cannot be {value!r}")
    return row(**values)
