"""What logins wait for, in threads of its own: it must hold up nothing else."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, TypeVar

from ...core.errors import PipelineError

T = TypeVar("T")


class FewAtOnce:
    """Runs calls in threads, ``at_once`` of them; who comes when ``most_waiting`` are open is sent away."""

    def __init__(self, at_once: int, most_waiting: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(at_once, name)
        self._most_waiting = most_waiting
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """``work()`` in a thread. Raises ``account.too_many``."""
        if self._waiting >= self._most_waiting:
            raise PipelineError("account.too_many", "too many logins at once; try again in 5 s", seconds=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for nothing that has not begun."""
        self._threads.shutdown(wait=False)
