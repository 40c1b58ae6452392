"""A network on the CPU with less memory traffic and, bit for bit, the same scores.

The scans of most cases are smaller than the network's window in some direction, so the last layer
computes the part that counts; norms write over their input; a transposed convolution that doubles is a
product of matrices. Each of them is compared with the original first and left out where it differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

if TYPE_CHECKING:
    import torch

Box = Tuple[slice, ...]


class Head:
    """A network's last layer, a convolution of single voxels; computes only :attr:`part` where it is set."""

    def __init__(self, layer: torch.nn.Module) -> None:
        self.part: Optional[Box] = None
        self.layer = layer
        self._own = layer.forward
        # By shape and part: whether the part alone gives the same numbers.
        self._same: dict[tuple[object, ...], bool] = {}
        layer.forward = self._forward

    def _forward(self, x: torch.Tensor) -> object:
        import torch

        if self.part is None:
            return self._own(x)
        part = (slice(None), slice(None), *self.part)
        key = (tuple(x.shape), tuple((one.start, one.stop) for one in self.part), torch.get_num_threads())
        if not self._same.get(key, True):
            return self._own(x)
        alone = self._own(x[part].contiguous())
        if key not in self._same:
            complete = self._own(x)
            self._same[key] = bool(torch.equal(complete[part], alone))
            if not self._same[key]:
                return complete
        return alone


def quick_head(network: object) -> Optional[Head]:
    """The last layer of a U-Net of nnU-Net product to compute a part; None for another network."""
    decoder = getattr(network, "decoder", None)
    layers = getattr(decoder, "seg_layers", None)
    if type(decoder).__name__ != "UNetDecoder" or not layers or getattr(decoder, "deep_supervision", True):
        return None
    last = layers[-1]
    plain = {"kernel_size": 1, "stride": 1, "dilation": 1}
    if any(set(getattr(last, name, ())) != {value} for name, value in plain.items()):
        return None
    if last.groups != 1 or set(last.padding) != {0}:
        return None
    return Head(last)


def enlarge_by_product(network: torch.nn.Module) -> int:
    """Let each transposed convolution that doubles its input be a product of matrices; says how many."""
    from torch import nn

    changed = 0
    for layer in network.modules():
        if type(layer) is nn.ConvTranspose3d and _doubles(layer) and not isinstance(layer.forward, _Enlarge):
            layer.forward = _Enlarge(layer)
            changed += 1
    return changed


def _doubles(layer: torch.nn.Module) -> bool:
    plain = layer.groups == 1 and layer.bias is not None and set(layer.dilation) == {1}
    two = set(layer.kernel_size) == set(layer.stride) == {2}
    return plain and two and set(layer.padding) == set(layer.output_padding) == {0}


class _Enlarge:
    """What ``ConvTranspose3d`` computes with kernel and stride 2: eight products, one for each corner."""

    def __init__(self, layer: torch.nn.Module) -> None:
        self._layer = layer
        self._own = layer.forward
        self._same: dict[object, bool] = {}

    def __call__(self, x: torch.Tensor, output_size: object = None) -> object:
        import torch

        key = (tuple(x.shape), torch.get_num_threads())
        fits = output_size is None and x.device.type == "cpu" and x.dtype == torch.float32
        if not fits or x.shape[0] != 1 or not x.is_contiguous() or not self._same.get(key, True):
            return self._own(x, output_size)
        product = self._product(x)
        if key not in self._same:
            wanted = self._own(x)
            self._same[key] = bool(torch.equal(product, wanted))
            return wanted
        return product

    def _product(self, x: torch.Tensor) -> object:
        import torch

        weight = self._layer.weight
        inner, outer = weight.shape[:2]
        size = x.shape[2:]
        corners = torch.mm(weight.reshape(inner, outer * 8).t().contiguous(), x.view(inner, -1))
        output = torch.empty((1, outer, *(2 * length for length in size)), dtype=x.dtype)
        k, j, i = size
        places = output.view(outer, k, 2, j, 2, i, 2)
        places.copy_(corners.view(outer, 2, 2, 2, k, j, i).permute(0, 4, 1, 5, 2, 6, 3))
        return output.add_(self._layer.bias.view(1, -1, 1, 1, 1))


def normalise_in_place(network: torch.nn.Module) -> int:
    """Let each instance norm that follows a convolution write over its input; says how many."""
    from torch import nn

    changed = 0
    for block in network.modules():
        if not isinstance(block, nn.Sequential):
            continue
        layers = list(block.children())
        for before, norm in zip(layers, layers[1:]):
            if isinstance(before, nn.Conv3d) and _fits(norm):
                norm.forward = _InPlace(norm)
                changed += 1
    return changed


def _fits(norm: torch.nn.Module) -> bool:
    from torch import nn

    plain = type(norm) is nn.InstanceNorm3d and norm.affine and not norm.track_running_stats
    return bool(plain and not isinstance(norm.forward, _InPlace) and _equal(norm))


def _equal(norm: torch.nn.Module) -> bool:
    """Whether this torch normalises in place to the same numbers."""
    import torch

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, norm.num_features, 3, 4, 5, generator=generator)
    with torch.inference_mode():
        wanted = norm(x)
        try:
            return bool(torch.equal(_InPlace(norm)(x), wanted))
        except (AttributeError, RuntimeError):  # a torch that has no such function
            return False


class _InPlace:
    """What ``InstanceNorm3d`` computes: each channel's own mean and variance, here over its input."""

    def __init__(self, norm: torch.nn.Module) -> None:
        self._norm = norm
        self._own = norm.forward

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        norm = self._norm
        if x.device.type != "cpu" or x.dtype != torch.float32 or x.ndim != 5 or not x.is_contiguous():
            return self._own(x)
        count = x.shape[0] * x.shape[1]
        flat = x.view(1, count, *x.shape[2:])
        weight, bias = norm.weight.repeat(x.shape[0]), norm.bias.repeat(x.shape[0])
        torch.ops.aten.native_batch_norm.out(
            flat, weight, bias, None, None, True, 0.0, norm.eps,
            out=flat, save_mean=torch.empty(count), save_invstd=torch.empty(count),
        )  # fmt: skip
        return x
