"""What the command line prints: text for people, one JSON document for programs."""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Iterable, Mapping

from rich.console import Console
from rich.text import Text

from ..core.errors import PipelineError
from .program import named

_PIPE_WIDTH = 160  # columns of a table that goes into a file or another program
_NO_LOCALE = ("", "C", "POSIX")


def safe(text: str) -> str:
    """``text`` without characters that could steer a terminal (file names may hold any)."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def prepare_streams() -> None:
    """Let no character that a terminal cannot show end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if stream.isatty() and _plain_locale():
            reconfigure(encoding="ascii", errors="replace")
        else:
            reconfigure(errors="replace")


def finish_streams() -> OSError | None:
    """Write what still waits in a buffer; why it could not be, where somebody might have read it.

    Left to Python's own end it would turn any exit code into 120. A reader that has enough or a terminal
    that is gone gets nothing more.
    """
    trouble = None
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            trouble = trouble or error
    return trouble


def _plain_locale() -> bool:
    """Whether the terminal was promised ASCII only; Python itself writes UTF-8 then (PEP 538, 540)."""
    if not sys.platform.startswith("linux"):
        return False
    if os.environ.get("LC_ALL"):
        return os.environ["LC_ALL"] in _NO_LOCALE
    coerced = os.environ.get("LC_CTYPE", "") in (*_NO_LOCALE, "C.UTF-8")
    return coerced and os.environ.get("LANG", "") in _NO_LOCALE


def console(stream: IO[str]) -> Console:
    """A console that neither guesses markup in file names nor cuts tables in pipes."""
    terminal = stream.isatty()
    width = None if terminal or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


class Output:
    """Standard output for results, standard error for everything about them."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.out = console(sys.stdout)
        self.err = console(sys.stderr)

    def say(self, text: str, style: str = "") -> None:
        """One line of the result."""
        self.out.print(Text(named(text), style=style), soft_wrap=True)

    def note(self, text: str, style: str = "") -> None:
        """One line beside the result; not with --quiet."""
        if not self.quiet:
            self.err.print(Text(named(text), style=style), soft_wrap=True)

    def table(self, table: object) -> None:
        """A rich renderable on standard output."""
        self.out.print(table)

    def document(self, value: object) -> None:
        """The one JSON document of a command."""
        write_document(value)

    def documents(self, name: str, items: Iterable[object], more: Mapping[str, object]) -> None:
        """The same with a list under ``name``, which is written item by item, and ``more`` behind it."""
        sys.stdout.write(f"{{{json.dumps(name)}: [")
        for number, item in enumerate(items):
            sys.stdout.write((",\n" if number else "\n") + _json(item))
        sys.stdout.write(
            "]" + "".join(f",\n{json.dumps(key)}: {_json(value)}" for key, value in more.items())
        )
        sys.stdout.write("}\n")
        sys.stdout.flush()

    def error(self, error: PipelineError) -> None:
        """What went wrong and the way out, on standard error."""
        show_error(self.err, error.message, error.hint, error.code)


def show_error(target: Console, message: str, hint: str = "", code: str = "") -> None:
    """``error: message``, the hint below it, the code at its end."""
    line = Text("error: ", style="bold red").append(safe(named(message)), style="not bold default")
    if code:
        line.append(f" ({code})", style="dim")
    target.print(line, soft_wrap=True)
    if hint:
        target.print(Text("  " + safe(named(hint))), soft_wrap=True)


def write_document(value: object) -> None:
    """JSON in readable letters, or escaped where the stream could not carry them."""
    sys.stdout.write(_json(value) + "\n")
    sys.stdout.flush()


def _json(value: object) -> str:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:  # another encoding, or a file name that is not text
        text = json.dumps(value, indent=1)
    return text
