"""What the pipeline asks its intake child, and what that answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict

from .child_messages import Message


@dataclass(frozen=True)
class RunTask(Message):
    """To the intake child: do the task of this name."""

    TYPE: ClassVar[str] = "task"
    PAYLOAD: ClassVar[str] = "args"

    task: str
    args: Dict[str, object] = field(default_factory=dict)
