"""The one door to Qt: Slicer's PythonQt where it is, else PySide6.

What both share, and so all that may be used:

- setters and plain methods (``timer.setInterval(5)``), never a property: in
  PythonQt ``timer.interval`` is a number, in PySide6 a method;
- ``object.signal.connect(callable)``. ``QProcess.finished`` may deliver one
  argument or two: take ``*_`` and ask the process itself;
- ``readAll...()`` empties the buffer, so call it once; :func:`to_bytes` turns
  the answer into ``bytes``;
- a Qt object lives as long as somebody in Python holds it: keep a reference,
  or its signals silently stop. Inside one of its own signals let go of it with
  :func:`release`;
- an exception in a slot is printed and lost: connect :func:`guarded` callables;
- no QThread (PythonQt has none), and no Python threads in the pipeline's
  process (inside Slicer they starve).
"""

from __future__ import annotations

import functools
import logging
from typing import Any, Callable, Mapping

try:
    import qt as _qt

    IN_SLICER = True
except ImportError:
    from PySide6 import QtCore as _qt

    IN_SLICER = False

log = logging.getLogger(__name__)

QtObject = Any  # of either host; neither describes its classes

QCoreApplication: Any = _qt.QCoreApplication
QEventLoop: Any = _qt.QEventLoop
QFileSystemWatcher: Any = _qt.QFileSystemWatcher
QProcess: Any = _qt.QProcess
QProcessEnvironment: Any = _qt.QProcessEnvironment
QSocketNotifier: Any = _qt.QSocketNotifier
QTimer: Any = _qt.QTimer


def everything() -> Any:
    """All of Qt under one name, as PythonQt has it: widgets, gui and ui tools too. Only for panels."""
    if IN_SLICER:
        return _qt
    from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

    return _Merged((QtWidgets, QtGui, QtCore, QtUiTools))


class _Merged:
    """Several modules of PySide6, which fill themselves as they are asked."""

    def __init__(self, parts: tuple[object, ...]) -> None:
        self._parts = parts

    def __getattr__(self, name: str) -> object:
        for part in self._parts:
            found = getattr(part, name, None)
            if found is not None:
                return found
        raise AttributeError(name)


def guarded(slot: Callable[..., object]) -> Callable[..., None]:
    """``slot`` with its exceptions logged: Qt would print them at best, and go on."""

    @functools.wraps(slot)
    def run(*arguments: object) -> None:
        try:
            slot(*arguments)
        except Exception:  # the event loop is the boundary: the next event must still be served
            log.exception("an event could not be served")

    return run


def make_timer(interval_ms: int, callback: Callable[[], object], start: bool = True) -> Any:
    """A repeating timer; hold the answer. An interval of 0 fires whenever the loop is idle."""
    timer = QTimer()
    timer.setInterval(int(interval_ms))
    timer.timeout.connect(guarded(lambda *_: callback()))
    if start:
        timer.start()
    return timer


def make_alarm(callback: Callable[[], Any]) -> Any:
    """A timer that fires once after each ``alarm.start(milliseconds)``; hold the answer."""
    timer = QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(guarded(lambda *_: callback()))
    return timer


def single_shot(delay_ms: int, callback: Callable[[], object]) -> None:
    """``callback()`` once from the event loop, ``delay_ms`` from now."""
    QTimer.singleShot(int(delay_ms), guarded(callback))


def make_notifier(descriptor: int, writing: bool, callback: Callable[[], object]) -> Any:
    """Calls ``callback()`` whenever a socket can be read, or written; hold the answer.

    Switch it off and :func:`release` it before the socket is closed.
    """
    kind = enumerator(QSocketNotifier, "Type", "Write" if writing else "Read")
    notifier = QSocketNotifier(descriptor, kind)
    slot = guarded(lambda *_: callback())
    if IN_SLICER:
        # The signal is overloaded; PythonQt takes it by its full name only.
        notifier.connect("activated(int)", slot)
    else:
        notifier.activated.connect(slot)
    return notifier


def release(thing: Any) -> None:
    """Let go of a Qt object, safely even inside one of its own signals."""
    thing.deleteLater()
    # The wrapper owns the object: it must outlive the signal that is being delivered.
    QTimer.singleShot(0, lambda: _nothing(thing))


def _nothing(_thing: object) -> None:
    return None


def environment(variables: Mapping[str, str]) -> object:
    """A QProcessEnvironment of exactly these variables."""
    process_environment = QProcessEnvironment()
    for name, value in variables.items():
        process_environment.insert(name, value)
    return process_environment


def to_bytes(data: Any) -> bytes:
    """The bytes of a QByteArray, which PythonQt and PySide6 hand out differently."""
    if not isinstance(data, (bytes, bytearray, str)):
        data = data.data()
    if isinstance(data, str):  # older PythonQt
        return data.encode("latin-1")
    return bytes(data)


def enumerator(owner: object, kind: str, name: str) -> object:
    """``QComboBox.InsertPolicy.NoInsert`` wherever this Qt keeps it; nothing else looks for enumerators.

    PySide6 has it on the enumeration type, and as a rule on the class; PythonQt has it on the class, where it
    may be a plain int, 0 among them, and its enumeration types may be ints without members. So what is there
    is asked for by name and never judged by its truth. Raises AttributeError naming all three words.
    """
    if hasattr(owner, name):
        return getattr(owner, name)
    members = getattr(owner, kind, None)
    if hasattr(members, name):
        return getattr(members, name)
    raise AttributeError(f"this Qt has no {getattr(owner, '__name__', owner)}.{kind}.{name}")


def same_enumerator(value: object, owner: object, kind: str, name: str) -> bool:
    """Whether ``value``, as a getter returned it, is that enumerator; either may be an int or an Enum."""
    return number(value) == number(enumerator(owner, kind, name))


def crashed(process: Any) -> bool:
    """Whether a QProcess that has finished was ended by a crash or a signal."""
    return same_enumerator(process.exitStatus(), QProcess, "ExitStatus", "CrashExit")


def number(value: Any) -> int:
    """The number of an enum value, which is an ``int`` in PythonQt and an ``Enum`` in PySide6."""
    return int(getattr(value, "value", value))


def application(arguments: tuple[str, ...] = ()) -> Any:
    """The process's QCoreApplication, made where there is none; hold the answer."""
    return QCoreApplication.instance() or QCoreApplication(list(arguments or ("autoseg",)))


def run_loop(loop: Any) -> int:
    """Run an event loop or the application until it quits; its exit code."""
    run = getattr(loop, "exec", None) or loop.exec_
    return int(run() or 0)


def quitting() -> bool:
    """Whether the application was asked to quit while something serves its events: no loop runs then."""
    loop = QEventLoop()
    single_shot(0, lambda: loop.exit(1))
    return run_loop(loop) != 1
