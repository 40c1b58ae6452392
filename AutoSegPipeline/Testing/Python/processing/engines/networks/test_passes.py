"""Progress within a tile: every pass counts, and layers count as they run."""

from __future__ import annotations

from typing import Callable

import pytest
from AutoSegPipelineLib.processing.engines.networks.passes import Passes


class Module:
    """What of torch's modules is used."""

    def __init__(self, *inner: Module) -> None:
        self.inner = inner
        self.before: list[Callable[..., None]] = []
        self.after: list[Callable[..., None]] = []
        self.register_forward_pre_hook = self.before.append
        self.register_forward_hook = self.after.append

    def modules(self) -> list[Module]:
        return [self, *(one for module in self.inner for one in module.modules())]

    def children(self) -> list[Module]:
        return list(self.inner)

    def run(self, order: list[Module]) -> None:
        for hook in self.before:
            hook(self, ())
        for layer in order:
            layer.run([])
        for hook in self.after:
            hook(self, (), None)


def test_mirrored_passes_share_the_tile_evenly() -> None:
    layers = [Module() for _ in range(4)]
    network, said = Module(*layers), []  # type: ignore[var-annotated]
    passes = Passes(network, said.append)  # type: ignore[arg-type]
    for _ in range(2):
        said.clear()
        passes.tile_begins(8)
        for _ in range(8):
            network.run(layers)
        assert said == pytest.approx([number / 32 for number in range(32)])


def test_layers_count_in_the_order_in_which_they_run() -> None:
    one, two, three, unused = layers = [Module() for _ in range(4)]
    network, said = Module(*layers), []  # type: ignore[var-annotated]
    passes = Passes(network, said.append)  # type: ignore[arg-type]
    passes.tile_begins(1)
    network.run([three, one, two])
    assert said == [0.0, 0.25, 0.5]
    said.clear()
    passes.tile_begins(1)
    network.run([three, one, two])
    assert said == pytest.approx([0.0, 1 / 3, 2 / 3]) and unused in network.modules()


def test_passes_of_no_tile_move_nothing_and_still_ask() -> None:
    layers = [Module() for _ in range(3)]
    network, said, asked = Module(*layers), [], []  # type: ignore[var-annotated]
    passes = Passes(network, said.append)  # type: ignore[arg-type]
    passes.tile_begins(2)
    with passes.aside(lambda: asked.append(1)):
        network.run(layers)
        passes.within(0.5)
    assert (said, len(asked)) == ([], 4)
    passes.within(0.5)
    network.run([])
    passes.within(0.5)
    assert said == [0.25, 0.75]
