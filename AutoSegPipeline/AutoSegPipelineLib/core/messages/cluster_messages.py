"""What the pipeline and the cluster child say about bundles.

Everything that the pipeline says may be said again: what is done already is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, Optional

from ..cluster_settings import JobSize
from .child_messages import Message


@dataclass(frozen=True)
class PackCase(Message):
    """To the child: this case, a :class:`.worker_messages.CaseOrder`, belongs into that bundle."""

    TYPE: ClassVar[str] = "pack"
    PAYLOAD: ClassVar[str] = "order"

    bundle: str
    order: Dict[str, object]


@dataclass(frozen=True)
class SendBundle(Message):
    """To the child: all cases of ``bundle`` are known; submit it, unless it is out already."""

    TYPE: ClassVar[str] = "send_bundle"

    bundle: str
    size: JobSize


@dataclass(frozen=True)
class AllSent(Message):
    """To the child: every bundle that is out was named; others of this pipeline are nobody's."""

    TYPE: ClassVar[str] = "all_sent"


@dataclass(frozen=True)
class GiveUpCase(Message):
    """To the child: nobody wants this attempt any more."""

    TYPE: ClassVar[str] = "give_up"


@dataclass(frozen=True)
class GiveUpAll(Message):
    """To the child, before ``quit``: nobody wants anything that is out; it ends when all of that is gone."""

    TYPE: ClassVar[str] = "give_up_all"


@dataclass(frozen=True)
class CaseSettled(Message):
    """To the child: what became of this attempt stands in the pipeline's store."""

    TYPE: ClassVar[str] = "settled"


@dataclass(frozen=True)
class CaseAt(Message):
    """The case is at ``stage``, on ``where`` (machine and job of the scheduler)."""

    TYPE: ClassVar[str] = "case_at"

    stage: str
    fraction: float
    message: str
    where: str
    eta_s: Optional[float] = None


@dataclass(frozen=True)
class CaseDone(Message):
    """The results lie in the folder that the order named; ``result`` is the worker's answer."""

    TYPE: ClassVar[str] = "case_done"
    PAYLOAD: ClassVar[str] = "result"

    result: Dict[str, object]
    seconds: float
    where: str


@dataclass(frozen=True)
class CaseFailed(Message):
    """The case has failed on ``where``. ``memory``: what the job had did not suffice."""

    TYPE: ClassVar[str] = "case_failed"

    error: Dict[str, str]
    where: str
    memory: bool = False
    used: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseBack(Message):
    """The job ended before the case did. ``counted``: it was at this case, which may be why.

    ``memory``: the scheduler ended the job because it used more than it had.
    """

    TYPE: ClassVar[str] = "case_back"

    reason: str
    counted: bool = False
    memory: bool = False


@dataclass(frozen=True)
class ClusterState(Message):
    """How the cluster is; an empty ``code`` means well, else ``reason`` says what keeps new bundles back.

    Of Dask: how many ``workers`` are there, and the ``command`` that starts one.
    """

    TYPE: ClassVar[str] = "cluster_state"

    code: str = ""
    reason: str = ""
    workers: int = 0
    command: str = ""
