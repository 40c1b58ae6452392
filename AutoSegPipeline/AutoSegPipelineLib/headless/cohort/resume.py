"""From the paths of `autoseg run` to the inputs that are left, with the record in OUT."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Callable, Iterable, Iterator, Mapping, Sequence, overload

from ... import __version__
from ...core import lock
from ...core.cohort.run_record import LOCK, Entry, Record, RecordWriter, read_record
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.job import Job
from ..batch import Follower, Given
from .follow import RecordKeeper
from .plan import REFUSED, Facts, Plan, Planner
from .units import PassedBy, Unit, units_of

# They say where and when a case is computed, not what comes of it.
_NO_MATTER = ("device", "priority", "download_weights")


class Cohorts:
    """Folders among the inputs of one run; without a folder it does nothing."""

    def __init__(self, out: Path, note: Callable[[str], None]) -> None:
        self._out = out
        self._note = note
        self._stack = ExitStack()
        self._record = Record()
        self._plan: Plan | None = None
        self._keeper: RecordKeeper | None = None
        self._offset = 0  # inputs that are no part of a folder come first
        self._again = False
        self._passed_by = PassedBy()

    def __enter__(self) -> Cohorts:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def used(self) -> bool:
        """Whether a folder is among the inputs."""
        return self._plan is not None

    @property
    def follower(self) -> Follower | None:
        """Who keeps the record while the batch goes on."""
        return None if self._keeper is None else _Behind(self._keeper, self._offset)

    @property
    def refused_before(self) -> int:
        """Scans that are passed over because they were refused as they are."""
        return 0 if self._plan is None or self._again else self._plan.counts[REFUSED]

    def inputs(
        self, paths: Iterable[Path], options: Mapping[str, object], rules: Path, again: bool
    ) -> Sequence[Given]:
        """What is to be done of ``paths``: files as they are, of folders what is left.

        Raises ``environment.locked`` while another run writes to OUT.
        """
        self._again = again
        paths = list(paths)
        folders = [path for path in paths if path.is_dir()]
        given = [Given(path) for path in paths if path not in folders]
        if not folders:
            return given
        self._stack.callback(self._lock().close)
        self._record = read_record(self._out)
        writer = RecordWriter(self._out)
        self._stack.callback(writer.close)
        asked = asked_of(options, rules)

        def keep(entry: Entry) -> None:
            self._record.add(entry)
            writer.write(entry, durable=False)

        for entry in list(self._record.begun.values()):
            remove_tree(self._out / f".publish-{entry.job}")
        planner = Planner(self._out, self._record, asked, __version__, again, keep)
        without: list[Path] = []
        self._plan = planner.plan(self._units(folders, without))
        given += [Given(path) for path in without]
        self._offset = len(given)
        if self._plan.counts or not without:
            self._note(self._plan.text())
        if self._passed_by.count:
            self._note(self._passed_by.text())
        todo = self._plan.todo
        self._keeper = RecordKeeper(todo, self._record, writer, asked, __version__, self._note)
        return _Inputs(given, todo)

    def _units(self, folders: Iterable[Path], without: list[Path]) -> Iterator[Unit]:
        """Of every folder; those ``without`` any are inputs themselves, whose refusal says what lies there.

        The second folder of one name is refused, as the record could not tell them apart.
        """
        names: dict[str, Path] = {}
        for folder in dict.fromkeys(folders):
            if names.setdefault(folder.name, folder) != folder:
                raise PipelineError(
                    "request.invalid", f"{names[folder.name]} and {folder} have the same name"
                )
            passed_by = PassedBy()
            units = units_of(folder, passed_by)
            first = next(units, None)
            if first is None:
                without.append(folder)
                continue
            yield first
            yield from units
            self._passed_by.join(passed_by)

    def _lock(self) -> IO[bytes]:
        try:
            return lock.hold(self._out / LOCK)
        except PipelineError as error:
            text = f"another `autoseg run` is writing to {self._out}"
            raise PipelineError("environment.locked", text, "Wait for it, or give another folder.") from error

    @property
    def counts(self) -> dict[str, int]:
        """For the document: how many scans were done, changed ..., and ``left`` after this run."""
        found = {} if self._plan is None else dict(self._plan.counts)
        if self._passed_by.count:
            found["passed_by"] = self._passed_by.count
        return {**found, "left": self._left}

    @property
    def _left(self) -> int:
        return 0 if self._keeper is None else self._keeper.left

    def left_text(self) -> str:
        """What to say at the end; empty without a folder of scans."""
        if self._plan is None or not self._plan.counts:
            return ""
        left = self._left
        if not left:
            return "Nothing is left." if self._plan.todo else "Nothing is left to do."
        return f"{left:,} {'scan is' if left == 1 else 'scans are'} left; the same command goes on from here."


class _Inputs(Sequence[Given]):
    """Files as they are given, then units, whose members are listed when it is their turn."""

    def __init__(self, given: list[Given], todo: Sequence[tuple[Unit, Facts]]) -> None:
        self._given, self._todo = given, todo

    def __len__(self) -> int:
        return len(self._given) + len(self._todo)

    @overload
    def __getitem__(self, number: int) -> Given: ...
    @overload
    def __getitem__(self, number: slice) -> list[Given]: ...
    def __getitem__(self, number: int | slice) -> Given | list[Given]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if number < len(self._given):
            return self._given[number]
        unit, _ = self._todo[number - len(self._given)]
        return Given(unit.root, unit.members())


class _Behind:
    """Numbers of the batch as numbers of the folders' scans."""

    def __init__(self, keeper: RecordKeeper, offset: int) -> None:
        self._keeper, self._offset = keeper, offset

    def began(self, number: int, job_id: str) -> None:
        if number >= self._offset:
            self._keeper.began(number - self._offset, job_id)

    def copied(self, number: int, sha256: tuple[str, ...]) -> None:
        if number >= self._offset:
            self._keeper.copied(number - self._offset, sha256)

    def ended(self, number: int, family: list[Job]) -> None:
        if number >= self._offset:
            self._keeper.ended(number - self._offset, family)


def asked_of(options: Mapping[str, object], rules: Path) -> str:
    """A hash of the options that a result depends on, and of the rules."""
    wanted = {name: value for name, value in sorted(options.items()) if name not in _NO_MATTER}
    text = json.dumps(wanted, default=list) + (rules.read_text(encoding="utf-8") if rules.exists() else "")
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
