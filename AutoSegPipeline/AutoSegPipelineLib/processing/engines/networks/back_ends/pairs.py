"""Convolutions of pairs of bf16: 16 of single precision's 24 bits, by processors that multiply tiles of bf16.

Each number is the sum of two of bf16, and of the four products the smallest is left out:
``x * w = x1 * w1 + x2 * w1 + x1 * w2``, summed in single precision, which oneMKL calls ``float_to_bf16x2``.
Three convolutions of bf16 in tiles (Intel AMX) take half the time of one in single precision.

OpenVINO computes the whole of a model in bf16 or nothing of it, so everything but these convolutions is
marked to keep its precision. What a transformation of OpenVINO replaces loses its mark, so the formulas here
and in :mod:`.layers` have neither differences nor factors of -1.
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Collection, Iterator

from .wanted import openvino, read_network

if TYPE_CHECKING:
    import torch
    from openvino import Model

LEAST_CHANNELS = 16  # with fewer there is less to multiply than to split
_MARK = {"name": "precise", "version": "0", "value": "dynamic:f16"}  # which forbids bf16, too


@contextmanager
def paired(network: torch.nn.Module) -> Iterator[frozenset[str]]:
    """The network with its convolutions in pairs; all names of these, none where there is nothing to gain."""
    layers = {name: one for name, one in network.named_modules(remove_duplicate=False) if _gains(one)}
    for layer in layers.values():
        layer.forward = _Paired(layer)
    try:
        yield frozenset(layers)
    finally:
        for layer in layers.values():
            layer.__dict__.pop("forward", None)


def _gains(layer: torch.nn.Module) -> bool:
    from torch import nn

    return (
        type(layer) in (nn.Conv2d, nn.Conv3d)
        and layer.in_channels >= LEAST_CHANNELS
        and layer.groups == 1
        and max(layer.kernel_size) > 1
        and layer.padding_mode == "zeros"
        and "forward" not in layer.__dict__  # the last one, which is left out
    )


class _Paired:
    """A convolution as three; the sum's smallest part comes first, as OpenVINO rounds that one to bf16."""

    def __init__(self, layer: torch.nn.Module) -> None:
        import torch

        self._layer = layer
        weight = layer.weight.detach()
        self._high = weight.bfloat16().float()
        self._low = (weight - self._high).bfloat16().float()
        self._convolve = torch.nn.functional.conv2d if weight.ndim == 4 else torch.nn.functional.conv3d

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        where = (self._layer.stride, self._layer.padding, self._layer.dilation)
        found = self._convolve(x, self._low, None, *where)
        found = found + self._convolve(_twice_low(x), self._high * 0.5, None, *where)
        # The numbers of bf16 nearest to x are what a convolution of bf16 takes from it.
        return found + self._convolve(x, self._high, self._layer.bias, *where)


def _twice_low(x: torch.Tensor) -> torch.Tensor:
    """Twice what is left of ``x`` beside the nearest number of bf16, exactly.

    OpenVINO ends a kernel behind the first step after a layer: the rounding, half as many bytes as others.
    """
    return x.bfloat16().float() * -2.0 + x * 2.0


def marked(model: Model, names: Collection[str]) -> Model:
    """``model`` with everything marked to keep its precision but the convolutions of the layers ``names``."""
    with tempfile.TemporaryDirectory(prefix="autoseg-") as folder:
        path = Path(folder) / "network.xml"
        openvino().save_model(model, path, compress_to_fp16=False)
        tree = ElementTree.parse(path)
        for layer in tree.getroot().iterfind("layers/layer"):
            if not _is_free(layer, names):
                _mark(layer)
        tree.write(path)
        return read_network(path)


def _is_free(layer: ElementTree.Element, names: Collection[str]) -> bool:
    """Whether a layer may be computed in bf16, or has no precision of its own."""
    kind = layer.get("type")
    if kind == "Convolution":
        scope = layer.get("name", "").partition("/")[0]
        return scope.partition("__module.")[2] in names
    return kind in ("Parameter", "Const", "Result")


def _mark(layer: ElementTree.Element) -> None:
    if layer.get("type") == "AvgPool":
        layer.set("version", "opset1")  # a later one is replaced by this one, without its mark
    about = layer.find("rt_info")
    if about is None:
        about = ElementTree.Element("rt_info")
        layer.insert(0 if layer.find("data") is None else 1, about)
    ElementTree.SubElement(about, "attribute", _MARK)
