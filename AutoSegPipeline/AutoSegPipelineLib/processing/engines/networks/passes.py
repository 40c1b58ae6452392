"""How far a network is within a tile, from the layers that it runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Iterator, Optional

if TYPE_CHECKING:
    import torch


class Passes:
    """Counts the layers of a network as they run, in the order in which they run.

    With mirroring a tile passes through the network several times. The first pass shows how many layers
    run: until it has ended, all of the network's count, among them those that training alone needs.
    """

    def __init__(self, network: torch.nn.Module, report: Callable[[float], None]) -> None:
        layers = [module for module in network.modules() if not list(module.children())]
        self._report = report
        self._layers = max(len(layers), 1)
        self._layer = 0
        self._done, self._passes = 0, 1
        self._known = False
        self._instead: Optional[Callable[[], None]] = None
        network.register_forward_pre_hook(self._pass_begins)
        for layer in layers:
            layer.register_forward_pre_hook(self._layer_begins)
        network.register_forward_hook(self._pass_ends)

    def tile_begins(self, passes: int) -> None:
        """The next tile goes through the network ``passes`` times."""
        self._done, self._passes = 0, max(passes, 1)

    def within(self, fraction: float) -> None:
        """The pass at hand is at ``fraction``: of a network whose layers do not run by themselves."""
        if self._instead is not None:
            self._instead()
        else:
            self._report(min((self._done + fraction) / self._passes, 1.0))

    @contextmanager
    def aside(self, ask: Callable[[], None]) -> Iterator[None]:
        """Passes of no tile: they move nothing, and ``ask`` hears of each layer instead."""
        self._instead = ask
        try:
            yield
        finally:
            self._instead = None

    def _pass_begins(self, _module: object, _inputs: object) -> None:
        self._layer = 0

    def _layer_begins(self, _module: object, _inputs: object) -> None:
        if self._instead is not None:
            self._instead()
            return
        within = min(self._layer / self._layers, 1.0)
        self._layer += 1
        self._report(min((self._done + within) / self._passes, 1.0))

    def _pass_ends(self, _module: object, _inputs: object, _output: object) -> None:
        if self._instead is not None:
            return
        self._done += 1
        if not self._known and self._layer:
            self._known, self._layers = True, self._layer
