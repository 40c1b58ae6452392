"""One honest 0..1 for the run of a task, from the seams that the package leaves.

A run is: read and resample (:data:`BEFORE`), one or more predictions, resample
back (:data:`AFTER`). A prediction is: load and preprocess, tiles of the sliding
window, export. nnU-Net draws a tqdm bar over the tiles: :func:`bar` takes its
place. Inside a tile every layer of the network reports, so that a cancel is
seen within a layer and not after a tile that takes half a minute on a CPU.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Sequence

from ....core.progress import Report

BEFORE = 0.05
AFTER = 0.05
_LOADED = 0.08  # of one prediction
_PREDICTED = 0.9


class Course:
    """Where a run stands; ``costs`` are guesses of how the predictions to come compare."""

    def __init__(self, report: Report, costs: Sequence[float], title: str) -> None:
        self._report = report
        self._costs = [max(float(cost), 1e-9) for cost in costs] or [1.0]
        self._title = title
        self._number = -1
        self._tile = 0.0
        self._tiles = 1
        self._window, self._windows = -1, 1
        self._last = 0.0
        self.network_seconds = 0.0  # what the networks themselves took
        self.networks: list[dict[str, object]] = []  # what computed each of them, for the manifest
        self.network_warnings: list[dict[str, str]] = []

    def stepped_down(self, message: str) -> None:
        """Something did not fit and was done in another way: a warning for the manifest."""
        self.log(message, "warning")
        self.network_warnings.append({"code": "engine.stepped_down", "message": message})

    def check(self) -> None:
        """Raise ``Cancelled`` when somebody asked for it."""
        self._report.check()

    def log(self, text: str, level: str = "info") -> None:
        """One line for the case's log."""
        self._report.log(text, level)

    def say(self, fraction: float, what: str) -> None:
        """``fraction`` 0..1 of the run; never falls."""
        self._report.check()
        self._last = max(self._last, min(fraction, 1.0))
        self._report.progress(self._last, f"{self._title}: {what}")

    def prediction_begins(self, windows: int = 1) -> None:
        """The next network is loaded and its input prepared; it passes over the scan ``windows`` times."""
        self._number += 1
        if self._number >= len(self._costs):
            # More than was foreseen: the rest is divided again, so that the bar still moves.
            self._costs.append(sum(self._costs) / len(self._costs))
        self._tile, self._tiles = 0.0, 1
        self._window, self._windows = -1, max(windows, 1)
        self._within(0.0, "preparing the network's input")

    def trying_back_ends(self) -> None:
        """The network meets its first case: torch and another back end are compared on a window."""
        self._within(0.0, "comparing the network's back ends, once")

    def used_network(self, note: dict[str, object], warning: str = "") -> None:
        """``note`` says what computes the network of this prediction; told once for each network."""
        if note not in self.networks:
            self.networks.append(note)
            if warning:
                self.network_warnings.append({"code": "engine.back_end", "message": warning})

    def tiles_begin(self, count: int) -> None:
        """The sliding window has ``count`` steps."""
        self._tile, self._tiles = 0.0, max(int(count), 1)
        self._window = min(self._window + 1, self._windows - 1)
        self._tiles_moved()

    def tile_done(self, count: float = 1) -> None:
        """``count`` more steps are over."""
        self._tile = min(float(int(self._tile)) + count, float(self._tiles))
        self._tiles_moved()

    def within_tile(self, fraction: float) -> None:
        """The step at hand is at ``fraction``."""
        self._tile = min(int(self._tile) + min(fraction, 0.999), float(self._tiles))
        self._tiles_moved()

    def exporting(self) -> None:
        """The network is done; its scores become labels."""
        self._within(_PREDICTED, "making labels")

    def prediction_ends(self) -> None:
        """Labels of this network are written."""
        self._within(1.0, "labels made")

    def resampling_back(self) -> None:
        """The labels are brought to the scan's own grid."""
        self.say(1.0 - AFTER, "bringing the labels to the scan's grid")

    def _tiles_moved(self) -> None:
        done = (max(self._window, 0) + self._tile / self._tiles) / self._windows
        share = _LOADED + (_PREDICTED - _LOADED) * done
        self._within(share, self._tile_text())

    def _tile_text(self) -> str:
        several = f"network {self._number + 1} of {len(self._costs)}, " if len(self._costs) > 1 else ""
        folds = f"fold {self._window + 1} of {self._windows}, " if self._windows > 1 else ""
        return f"{several}{folds}tile {min(int(self._tile) + 1, self._tiles)} of {self._tiles}"

    def _within(self, fraction: float, what: str) -> None:
        number = max(self._number, 0)
        done = sum(self._costs[:number]) + self._costs[number] * fraction
        self.say(BEFORE + (1.0 - BEFORE - AFTER) * done / sum(self._costs), what)


def bar(course: Course) -> type:
    """A class in tqdm's place whose bars of tiles move ``course``; others only notice a cancel."""

    class Bar:
        def __init__(self, iterable: Iterable[object] | None = None, *_: object, **more: Any) -> None:
            self._iterable = iterable
            self.total = more.get("total")
            self.n = 0.0
            self._bytes = more.get("unit") == "B"
            self._is_tiles = iterable is None and not self._bytes and more.get("desc") is None
            if self._is_tiles and self.total:
                course.tiles_begin(self.total)

        def __iter__(self) -> Iterator[object]:
            for item in self._iterable or ():
                course.check()
                yield item

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def update(self, count: float = 1) -> None:
            self.n += count
            course.check()
            if self._bytes:
                course.say(0.0, f"fetching weights, {self._fetched()}")
            elif self._is_tiles:
                course.tile_done(count)

        def _fetched(self) -> str:
            have = f"{self.n / 1e6:.0f} MB"
            return f"{have} of {self.total / 1e6:.0f} MB" if self.total else have

        def close(self) -> None:
            return

        def set_description(self, *_: object, **__: object) -> None:
            return

        set_postfix = refresh = set_description

    return Bar
