"""What every child process says, and the commands that every one understands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Dict, Optional

from ..home import Home


@dataclass(frozen=True)
class Message:
    """One message; ``TYPE`` is its name on the wire.

    ``PAYLOAD`` names the field that goes through a file where it is too long for a line.
    A field that is None is not sent.
    """

    TYPE: ClassVar[str] = ""
    PAYLOAD: ClassVar[str] = ""


@dataclass(frozen=True)
class Unknown(Message):
    """A message of a type that this version does not know."""

    type: str


@dataclass(frozen=True)
class Describe(Message):
    """To a child: answer with what you can do."""

    TYPE: ClassVar[str] = "describe"


@dataclass(frozen=True)
class Cancel(Message):
    """To a child: stop the command with this job and attempt."""

    TYPE: ClassVar[str] = "cancel"


@dataclass(frozen=True)
class Quit(Message):
    """To a child: end after the command at hand."""

    TYPE: ClassVar[str] = "quit"


@dataclass(frozen=True)
class HomeFolders:
    """The folders of the pipeline's home."""

    root: str
    inbox: str
    results: str
    state: str

    @classmethod
    def of(cls, home: Home) -> HomeFolders:
        """Those of ``home``."""
        return cls(str(home.root), str(home.inbox), str(home.results), str(home.state))

    @property
    def home(self) -> Home:
        """The home itself."""
        return Home(Path(self.root), Path(self.inbox), Path(self.results), Path(self.state))


@dataclass(frozen=True)
class Serve(Message):
    """To a child that is kept running: serve this home by these settings."""

    TYPE: ClassVar[str] = "serve"

    home: HomeFolders
    settings: Dict[str, object]


@dataclass(frozen=True)
class Hello(Message):
    """First words: the pid of the real process, which a launcher may have started."""

    TYPE: ClassVar[str] = "hello"

    pid: int
    what: str = ""
    python: str = ""
    version: Optional[str] = None


@dataclass(frozen=True)
class Stage(Message):
    """The case enters the job state ``state``."""

    TYPE: ClassVar[str] = "stage"

    state: str
    message: str = ""


@dataclass(frozen=True)
class Progress(Message):
    """``fraction`` 0..1 of the command."""

    TYPE: ClassVar[str] = "progress"

    fraction: float
    message: str = ""


@dataclass(frozen=True)
class Log(Message):
    """Lines for a log; ``level`` as :mod:`logging` names it, in lower case."""

    TYPE: ClassVar[str] = "log"

    text: str
    level: str = "info"


@dataclass(frozen=True)
class Heartbeat(Message):
    """It is alive; a worker adds the memory that it holds."""

    TYPE: ClassVar[str] = "heartbeat"

    rss_mb: Optional[float] = None


@dataclass(frozen=True)
class Done(Message):
    """The command's answer. A worker adds its memory and how many models it has ever loaded."""

    TYPE: ClassVar[str] = "done"
    PAYLOAD: ClassVar[str] = "result"

    result: Optional[Dict[str, object]] = None
    rss_mb: Optional[float] = None
    models: Optional[int] = None


@dataclass(frozen=True)
class Failed(Message):
    """Why the command has no answer: code, message and hint; a worker adds what it ``used``."""

    TYPE: ClassVar[str] = "failed"

    error: Dict[str, str]
    used: Optional[Dict[str, str]] = None
    rss_mb: Optional[float] = None
    models: Optional[int] = None
