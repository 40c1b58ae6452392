"""The surroundings that the pipeline depends on: why it is paused, and the reserve for a full disk."""

from __future__ import annotations

import logging
import os
import sqlite3
from typing import Any, Callable, TypeVar

from ..core.errors import PipelineError
from ..core.events import PipelinePaused, PipelineResumed
from ..core.files import free_bytes, is_disk_full
from .context import Context, disk_is_full

log = logging.getLogger(__name__)
T = TypeVar("T")
REQUEST = "request"  # the code of a pause that a person asked for
GPU_GONE = "environment.gpu_gone"
_HEALS = ("environment.disk_full", "environment.results_unreachable", "environment.home_unwritable")


class Conditions:
    """Why the pipeline is paused, and the reserve that lets states be written on a full disk."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def paused(self) -> dict[str, Any] | None:
        """``{"code", "reason"}`` while nothing new is begun; a person's request outlives a restart."""
        found = self._context.store.meta.get("paused")
        return dict(found) if found else None

    @property
    def may_take(self) -> bool:
        """Whether inputs are taken: a person's pause holds back cases only."""
        paused = self.paused
        return paused is None or paused["code"] == REQUEST

    def pause(self, code: str, reason: str) -> None:
        """Begin nothing new. A person's pause is never replaced by an environment's."""
        now = self.paused
        if now == {"code": code, "reason": reason} or (now and now["code"] == REQUEST != code):
            return
        log.warning("paused: %s (%s)", reason, code)
        self._context.store.meta.set("paused", {"code": code, "reason": reason})
        self._context.bus.publish(PipelinePaused(code, reason))

    def resume(self) -> None:
        """Go on."""
        if self.paused is None:
            return
        log.info("resumed")
        self._context.store.meta.set("paused", None)
        self._context.bus.publish(PipelineResumed())

    def check(self) -> None:
        """Look at the surroundings; pause for what is wrong, resume when it is mended."""
        paused = self.paused
        if paused is not None and paused["code"] == REQUEST:
            return
        trouble = self._trouble()
        if trouble is not None:
            self.pause(trouble.code, trouble.message)
        elif paused is not None and paused["code"] in _HEALS:
            self.resume()
        if trouble is None:
            self.make_reserve()

    def _trouble(self) -> PipelineError | None:
        home, least = self._context.home, self._context.settings["disk_min_free_mb"] << 20
        if not os.path.isdir(home.results) or not os.access(home.results, os.W_OK | os.X_OK):
            return PipelineError(
                "environment.results_unreachable", f"{home.results} cannot be reached or written"
            )
        for folder in {home.state, home.results}:
            try:
                free = free_bytes(folder)
            except OSError as error:
                return PipelineError(
                    "environment.results_unreachable", f"{folder} cannot be reached: {error.strerror}"
                )
            if free < least:
                return PipelineError(
                    "environment.disk_full",
                    f"{free >> 20} MB are free on the disk of {folder}; at least {least >> 20} MB are needed",
                )
        return None

    def make_reserve(self) -> None:
        """Write the reserve file unless it is there; a disk too full for it is no fault here."""
        path, size = self._context.home.reserve, self._context.settings["disk_reserve_mb"] << 20
        if path.exists() and path.stat().st_size == size:
            return
        try:
            with open(path, "wb") as stream:
                # Written, not truncated to length: a sparse file reserves nothing.
                block = os.urandom(1 << 20)
                for _ in range(size >> 20):
                    stream.write(block)
        except OSError as error:
            path.unlink(missing_ok=True)
            if not is_disk_full(error):
                raise

    def durably(self, action: Callable[[], T]) -> T:
        """``action()``; on a full disk the reserve is given up, the pipeline pauses, once more."""
        try:
            return action()
        except (OSError, sqlite3.OperationalError) as error:
            if not disk_is_full(error):
                raise
            self._context.home.reserve.unlink(missing_ok=True)
            result = action()
            self.disk_was_full()
            return result

    def disk_was_full(self) -> None:
        """A write has failed for lack of space: give up the reserve and pause."""
        log.error("the disk is full; the reserve is given up")
        self._context.home.reserve.unlink(missing_ok=True)
        self.pause("environment.disk_full", f"the disk of {self._context.home.state} is full")
