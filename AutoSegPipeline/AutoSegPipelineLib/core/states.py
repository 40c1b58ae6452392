"""The life of a job as a table. A transition that is not a row raises."""

from __future__ import annotations

RECEIVING = "receiving"
INSPECTING = "inspecting"
QUEUED = "queued"
PREPARING = "preparing"
SEGMENTING = "segmenting"
EXPORTING = "exporting"
PUBLISHING = "publishing"
DONE = "done"
REFUSED = "refused"
FAILED = "failed"
CANCELLED = "cancelled"

ALL = (
    RECEIVING,
    INSPECTING,
    QUEUED,
    PREPARING,
    SEGMENTING,
    EXPORTING,
    PUBLISHING,
    DONE,
    REFUSED,
    FAILED,
    CANCELLED,
)
ENDS = frozenset({DONE, REFUSED, FAILED, CANCELLED})
RUNNING = frozenset({PREPARING, SEGMENTING, EXPORTING, PUBLISHING})
WAITING = frozenset({RECEIVING, INSPECTING, QUEUED})

# from -> to. Running states may skip forward: a cached case has no segmenting,
# an exported label map neither; all of them fall back to queued when a worker vanishes.
TRANSITIONS: dict[str, frozenset[str]] = {
    RECEIVING: frozenset({INSPECTING, REFUSED, CANCELLED}),
    INSPECTING: frozenset({RECEIVING, QUEUED, REFUSED, FAILED, CANCELLED}),
    QUEUED: frozenset({PREPARING, CANCELLED, FAILED}),
    PREPARING: frozenset({SEGMENTING, EXPORTING, PUBLISHING, QUEUED, FAILED, CANCELLED}),
    SEGMENTING: frozenset({PREPARING, EXPORTING, PUBLISHING, QUEUED, FAILED, CANCELLED}),
    EXPORTING: frozenset({PUBLISHING, QUEUED, FAILED, CANCELLED}),
    PUBLISHING: frozenset({DONE, QUEUED, FAILED, CANCELLED}),
    DONE: frozenset({INSPECTING}),
    REFUSED: frozenset({INSPECTING}),
    FAILED: frozenset({INSPECTING}),
    CANCELLED: frozenset({INSPECTING}),
}


class WrongTransition(Exception):
    """Somebody wanted a step that the table does not have."""

    def __init__(self, job: str, old: str, new: str) -> None:
        super().__init__(f"job {job}: no way from {old} to {new}")
        self.job = job
        self.old = old
        self.new = new

    def __reduce__(self) -> tuple[object, ...]:
        return (WrongTransition, (self.job, self.old, self.new))


def check(job: str, old: str, new: str) -> None:
    """Raise :class:`WrongTransition` unless ``old`` -> ``new`` is a row of the table."""
    if new not in TRANSITIONS.get(old, frozenset()):
        raise WrongTransition(job, old, new)
