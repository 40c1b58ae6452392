"""What a person sees while the pipeline runs: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Callable, Iterable

from rich.console import Console, Group, OverflowMethod
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..core import states
from ..core.job import Job
from .narrator import ERROR, Line, Narrator
from .output import safe
from .tables import STYLES, duration

_SHOWN = 6  # running cases; more than this nobody has workers for


class Lines:
    """One line an event with its time, for logs, pipes and terminals without a cursor."""

    def __init__(self, console: Console, narrator: Narrator) -> None:
        self._console = console
        self._narrator = narrator

    def start(self) -> None:
        return

    def refresh(self) -> None:
        """Print what is new."""
        self._print([*self._narrator.take(), *self._narrator.long_cases()])

    def close(self) -> None:
        """Print what is left."""
        self._print(self._narrator.take())

    def _print(self, lines: Iterable[Line]) -> None:
        for text in stamped(lines):
            self._console.print(text, soft_wrap=True)


class LivePicture:
    """The running cases, the queue and the counts below the lines of what happened.

    It is drawn by :meth:`refresh` alone: a thread of its own would wait for
    the interpreter while the Qt loop holds it.
    """

    def __init__(self, console: Console, narrator: Narrator, heading: list[str]) -> None:
        self._console = console
        self._narrator = narrator
        self._heading = heading
        self._began = time.monotonic()
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False,
            vertical_overflow="crop",
        )  # fmt: skip

    def start(self) -> None:
        """Show the picture."""
        self._live.start()
        self.refresh()

    def refresh(self) -> None:
        """Lines above, the display again."""
        for text in stamped(self._narrator.take()):
            self._live.console.print(text, soft_wrap=True)
        self._live.update(self._picture(), refresh=True)

    def close(self) -> None:
        """Leave the lines, take the picture away."""
        for text in stamped(self._narrator.take()):
            self._live.console.print(text, soft_wrap=True)
        self._live.stop()

    def _picture(self) -> Group:
        running = self._narrator.running()
        parts: list[Text | Table] = [Text("")]
        if running:
            parts.append(_cases(running[:_SHOWN], self._console))
        else:
            parts.append(Text(f"  {self._narrator.idle()}", style="dim", no_wrap=True, overflow="ellipsis"))
        parts.append(_counts(self._narrator, time.monotonic() - self._began))
        if self._narrator.page:
            parts.append(Text(f"The page: {self._narrator.page}", no_wrap=True, overflow="ellipsis"))
        parts += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._heading]
        return Group(*parts)


def _cases(jobs: list[Job], console: Console) -> Table:
    width = console.width
    # Three dots that an ASCII terminal could not show would become a question mark.
    overflow: OverflowMethod = "crop" if console.options.ascii_only else "ellipsis"
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, overflow=overflow, ratio=3, min_width=10)
    table.add_column(no_wrap=True)
    table.add_column(width=max(8, min(24, width // 5)))
    table.add_column(justify="right", no_wrap=True, width=4)
    table.add_column(justify="right", no_wrap=True)
    if width >= 100:
        table.add_column(no_wrap=True, overflow=overflow, ratio=3)
    for job in jobs:
        left = f"{duration(job.eta_s)} left" if job.eta_s is not None else ""
        row: list[Text | ProgressBar | str] = [
            Text("  " + safe(job.label), style="bold"),
            Text(job.state, style=STYLES.get(job.state, "")),
            ProgressBar(total=1.0, completed=job.progress, complete_style="cyan", finished_style="green"),
            f"{job.progress:.0%}",
            left,
        ]
        table.add_row(*row, *([Text(safe(job.message), style="dim")] if width >= 100 else []))
    return table


def _counts(narrator: Narrator, seconds: float) -> Text:
    counts = narrator.counts
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    shown = [("added", counts["added"], ""), ("queued", narrator.waiting(), "")]
    shown += [(state, counts[state], STYLES[state]) for state in (states.DONE, states.FAILED, states.REFUSED)]
    for name, number, style in shown:
        text.append(f"{name} ")
        text.append(f"{number}", style=f"bold {style}".strip() if number else "dim").append("  ")
    return text.append(f"up {duration(seconds)}", style="dim")


def stamped(lines: Iterable[Line]) -> list[Text]:
    """Each line behind the time of day."""
    now = time.strftime("%H:%M:%S")
    return [Text(f"{now} ", style="dim").append(line.text, style=line.style or "not dim") for line in lines]


class Silence:
    """Errors only: ``--quiet``, and what is left of a display whose terminal has gone."""

    def __init__(self, narrator: Narrator, console: Console | None = None) -> None:
        self._narrator = narrator
        self._console = console

    def start(self) -> None:
        return

    def refresh(self) -> None:
        """Tell errors; forget what nobody wants to read."""
        lines = self._narrator.take()
        if self._console is not None:
            for text in stamped(line for line in lines if line.kind == ERROR):
                self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        self.refresh()


Display = Callable[[Narrator], "Lines | LivePicture | Silence"]


def choose(console: Console, heading: list[str], quiet: bool = False) -> Display:
    """The display that ``console`` can show."""
    if quiet:
        return lambda narrator: Silence(narrator, console)
    if console.is_terminal and not console.is_dumb_terminal:
        return lambda narrator: LivePicture(console, narrator, heading)
    return lambda narrator: Lines(console, narrator)
