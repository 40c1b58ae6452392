"""A torch network as it is converted: its layers as they were built, but for norms that sum more exactly."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Optional, Sequence

if TYPE_CHECKING:
    import torch

_STEPS = (8, 4, 2)  # voxels along an axis that are averaged first


@contextmanager
def as_converted(
    network: torch.nn.Module, example: Sequence[int], shape: Sequence[int], cut: Optional[torch.nn.Module]
) -> Iterator[None]:
    """The network without our own ways of computing its layers; ``cut`` hands its input on, channels last.

    ``example`` is the window that it is traced with, ``shape`` the one that it is for, (1, channels, ...).
    """
    own = [(one, one.__dict__.pop("forward")) for one in network.modules() if "forward" in one.__dict__]
    norms = [one for one in network.modules() if _is_norm(one)]
    for norm in norms:
        norm.forward = _Normalise(norm, example[2:], shape[2:])
    if cut is not None:
        cut.forward = _hand_on
    try:
        yield
    finally:
        for layer in (*norms, *([] if cut is None else [cut])):
            layer.__dict__.pop("forward", None)
        for layer, forward in own:
            layer.forward = forward


def small_window(network: torch.nn.Module, shape: Sequence[int]) -> tuple[int, ...]:
    """A window to trace the network with: its layers do not depend on the size, memory and seconds do."""
    strides = getattr(getattr(network, "encoder", None), "strides", None)
    if not isinstance(strides, (list, tuple)) or not strides:
        return tuple(shape)
    size = list(shape[2:])
    for axis in range(len(size)):
        steps = [one[axis] if isinstance(one, (list, tuple)) else one for one in strides]
        size[axis] = min(size[axis], 2 * math.prod(int(step) for step in steps))
    return (*shape[:2], *size)


def _hand_on(x: torch.Tensor) -> torch.Tensor:
    """As OpenVINO's convolutions leave it, which spares a copy in another order."""
    return x.permute(0, *range(2, x.ndim), 1)


def last_layer(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Scores (1, heads, ...) of a convolution of single voxels, from its input (..., channels)."""
    import torch

    weight = layer.weight.flatten(1)  # (heads, channels)
    scores = torch.mm(weight, x.reshape(-1, x.shape[-1]).t())
    if layer.bias is not None:
        scores += layer.bias[:, None]
    return scores.view(1, len(weight), *x.shape[:-1])


def _is_norm(layer: torch.nn.Module) -> bool:
    from torch import nn

    known = type(layer) in (nn.InstanceNorm2d, nn.InstanceNorm3d)
    return known and layer.affine and not layer.track_running_stats


class _Normalise:
    """What an instance norm computes, each mean in two steps: of blocks, then of the blocks' means.

    OpenVINO's own norm adds a window's million voxels one after the other in single precision, which
    costs scores three digits; torch's does not.
    """

    def __init__(self, norm: torch.nn.Module, example: Sequence[int], size: Sequence[int]) -> None:
        self._norm = norm
        self._example = example
        self._size = size

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        norm, axes = self._norm, [1] * (x.ndim - 2)
        minus = self._mean(x) * -2.0  # a difference would lose its mark, see :mod:`.pairs`
        twice = x * 2.0 + minus  # for the mean of squares alone, so that it is never written
        scale = norm.weight.view(1, -1, *axes) * torch.rsqrt(self._mean(twice * twice) + 4 * norm.eps)
        return x * (scale * 2.0) + (minus * scale + norm.bias.view(1, -1, *axes))

    def _mean(self, x: torch.Tensor) -> torch.Tensor:
        """Of each channel; blocks divide the layer in the example as in the window that it is for."""
        from torch.nn.functional import avg_pool2d, avg_pool3d

        block = [
            next((step for step in _STEPS if here % step == 0 and full * here % (step * traced) == 0), 1)
            for here, traced, full in zip(x.shape[2:], self._example, self._size)
        ]
        if max(block) > 1:
            x = (avg_pool2d if len(block) == 2 else avg_pool3d)(x, block, block)
        return x.mean(tuple(range(2, x.ndim)), keepdim=True)
