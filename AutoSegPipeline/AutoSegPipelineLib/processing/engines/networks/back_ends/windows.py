"""The windows on which two back ends are compared, and what torch decides there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional, Sequence

from .parity import Parity, compare, counts, decisions

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

_COARSE = 8  # voxels between two random values of the made window
_SEED = 20261129


class Reference:
    """Torch's decisions for the middle of a case (channels, ...) and, where that shows one class only, for
    smooth noise; computed when they are first asked for.

    ``shape`` is that of a window, (1, channels, ...). ``failed``: torch itself could not compute them.
    """

    def __init__(self, predictor: nnUNetPredictor, data: torch.Tensor) -> None:
        self._predictor = predictor
        self._data = data
        self._patch = tuple(int(size) for size in predictor.configuration_manager.patch_size)
        self._heads = int(predictor.label_manager.num_segmentation_heads)
        self._regions = bool(predictor.label_manager.has_regions)
        self._found: Optional[list[tuple[torch.Tensor, torch.Tensor]]] = None
        self.shape = (1, int(data.shape[0]), *self._patch)
        self.failed = False

    def decided(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each window with torch's decisions; raises ``Cancelled`` and what torch raises."""
        if self._found is None:
            self.failed = True
            self._found = [self._one(middle(self._data, self._patch))]
            occurring = counts(self._found[0][1], self._heads, self._regions) > 0
            if int(occurring.sum()) < 2:
                self._found.append(self._one(smooth_noise(self.shape)))
            self.failed = False
        return self._found

    def _one(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        with torch.inference_mode(), self._predictor.passes.aside(self._check):
            return window, decisions(self._predictor.network(window), self._regions)

    def compare(
        self, run: Callable[[torch.Tensor], torch.Tensor], window: torch.Tensor, wanted: torch.Tensor
    ) -> Parity:
        """How alike ``run`` decides about a window."""
        import torch

        with torch.inference_mode(), self._predictor.passes.aside(self._check):
            return compare(wanted, decisions(run(window), self._regions), self._heads, self._regions)

    def _check(self) -> None:
        if self._predictor.course is not None:
            self._predictor.course.trying_back_ends()


def middle(data: torch.Tensor, patch: Sequence[int]) -> torch.Tensor:
    """The window (1, channels, *patch) around the middle of ``data``, with zeros where the case ends.

    A flat network takes the middle slice.
    """
    import torch

    if data.ndim - 1 > len(patch):
        data = data[:, data.shape[1] // 2]
    window = torch.zeros((1, data.shape[0], *patch))
    from_, to = [slice(None)], [slice(None)]
    for size, wide in zip(data.shape[1:], patch):
        length = min(size, wide)
        from_.append(slice((size - length) // 2, (size - length) // 2 + length))
        to.append(slice((wide - length) // 2, (wide - length) // 2 + length))
    window[0][tuple(to)] = data[tuple(from_)].float()
    return window


def smooth_noise(shape: Sequence[int]) -> torch.Tensor:
    """Blobs of the range that normalised images have, the same each time."""
    import torch
    from torch.nn.functional import interpolate

    coarse = [max(2, -(-size // _COARSE)) for size in shape[2:]]
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn((*shape[:2], *coarse), generator=generator)
    mode = "bilinear" if len(coarse) == 2 else "trilinear"
    return interpolate(noise, size=tuple(shape[2:]), mode=mode, align_corners=False).contiguous()
