"""How many windows a device takes through the network at once: as many as its free memory allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Protocol, Sequence

from .cells import Box, of_all, overlap, relative
from .trouble import is_out_of_memory

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

_MOST = 8  # more brings nothing: one window of a usual size is work enough for most of a GPU
_PART = 0.5  # of the free memory; the rest is for the sums, and for what other programs take meanwhile


class Memory(Protocol):
    """The memory of a device, in bytes."""

    def free(self) -> int:
        """What could be allocated now."""

    def watch(self) -> None:
        """From now on note the peak."""

    def peak(self) -> int:
        """How much more than at :meth:`watch` was allocated at a time."""

    def give_back(self) -> None:
        """Free what is cached."""


class Batches:
    """Windows in batches; after the first window, whose memory is measured, in larger ones.

    Where memory does not suffice all the same a batch is halved and tried once more.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._measured = False
        self.size = 1

    def scores(
        self, predictor: nnUNetPredictor, data: torch.Tensor, tiles: Sequence[Box], real: Box
    ) -> Iterator[tuple[Box, torch.Tensor]]:
        """Each tile with its scores (classes, ...) for its part in ``real``.

        Raises torch's error when the memory does not suffice for a single window.
        """
        done = 0
        while done < len(tiles):
            some = tiles[done : done + self.size]
            found = self._through(predictor, data, some)
            if found is None:
                continue
            for tile, one in zip(some, found):
                yield tile, one[of_all(relative(overlap(tile[1:], real), tile[1:]))]
            done += len(some)

    def _through(
        self, predictor: nnUNetPredictor, data: torch.Tensor, tiles: Sequence[Box]
    ) -> torch.Tensor | None:
        """Scores (windows, classes, ...); None where memory did not suffice and fewer should be tried."""
        import torch

        if not self._measured:
            self._memory.watch()
        try:
            found = predictor.batch_scores(torch.stack([data[tile] for tile in tiles]))
        except (MemoryError, RuntimeError) as error:
            if len(tiles) == 1 or not is_out_of_memory(error):
                raise
            self.size = len(tiles) // 2
            self._memory.give_back()
            return None
        if not self._measured:
            self._measured = True
            cost = max(self._memory.peak(), 1)
            self.size = max(1, min(_MOST, int(self._memory.free() * _PART) // cost))
        return found


class GpuMemory:
    """Of a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0

    def free(self) -> int:
        import torch

        free, _ = torch.cuda.mem_get_info(self._device)
        cached = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return int(free + cached)

    def watch(self) -> None:
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)
        self._before = torch.cuda.memory_allocated(self._device)

    def peak(self) -> int:
        import torch

        return int(torch.cuda.max_memory_allocated(self._device)) - self._before

    def give_back(self) -> None:
        import torch

        torch.cuda.empty_cache()
