"""A converted network in the place of torch's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Optional, Sequence

from .layers import last_layer

if TYPE_CHECKING:
    import torch

    from ..passes import Passes
    from ..quick import Head
    from .compiled import Compiled


class Runner:
    """What a network's ``forward`` becomes; torch computes the last layer, ``head``, where one is given.

    ``seconds`` is how long a window may take, for the progress within the first one.
    """

    def __init__(
        self,
        compiled: Compiled,
        shape: Sequence[int],
        head: Optional[Head],
        passes: Passes,
        seconds: float = 0.0,
    ) -> None:
        self._compiled = compiled
        self._shape = tuple(shape)
        self._head = head
        self._passes = passes
        self.seconds = seconds

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Scores for windows (n, channels, ...), as the network's; raises ``Cancelled`` within a window."""
        import torch

        if tuple(x.shape[1:]) != self._shape[1:]:
            raise ValueError(f"the network was converted for {self._shape}, not for {tuple(x.shape)}")
        if x.shape[0] != 1:
            return torch.cat([self._one(window[None]) for window in x])
        return self._one(x)

    def _one(self, x: torch.Tensor) -> torch.Tensor:
        begin = time.perf_counter()

        def ask() -> None:
            passed = time.perf_counter() - begin
            self._passes.within(min(passed / self.seconds, 0.99) if self.seconds else 0.0)

        found = self._compiled(x, ask)
        self.seconds = time.perf_counter() - begin
        if self._head is None:
            return found.clone()  # the next window writes over it
        part = found[0] if self._head.part is None else found[0][self._head.part]
        return last_layer(self._head.layer, part)

    def rest(self) -> None:
        """No window comes for a while: give back the memory of the layers."""
        self._compiled.rest()
