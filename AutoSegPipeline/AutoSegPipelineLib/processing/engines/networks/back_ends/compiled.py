"""A network converted from torch for OpenVINO, and run so that it can be stopped."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Sequence

import numpy as np

from .layers import as_converted, small_window
from .pairs import marked, paired
from .wanted import BF16, BF16X2, F32, openvino, read_network

if TYPE_CHECKING:
    import torch
    from openvino import Model

_LOOK_MS = 50  # how often a running network is asked to stop and says how far it is


def convert(
    network: torch.nn.Module, shape: Sequence[int], cut: Optional[torch.nn.Module], precision: str = F32
) -> Optional[Model]:
    """``network`` for windows of ``shape`` (1, channels, ...); ``cut`` is a last layer that is left out.

    None where bf16x2 is asked for and no layer gains by it. Raises what torch and OpenVINO raise for a
    network that they cannot convert.
    """
    import torch

    example = small_window(network, shape)
    pairs = paired(network) if precision == BF16X2 else nullcontext(None)
    with as_converted(network, example, shape, cut), pairs as names, torch.no_grad():
        if names is not None and not names:
            return None
        model = openvino().convert_model(network, example_input=torch.zeros(example), input=[list(shape)])
    return model if names is None else marked(model, names)


class Compiled:
    """A converted network, ready for the processors of this machine."""

    def __init__(self, model: Model | Path, precision: str, threads: int) -> None:
        """``model`` may be the file that :func:`save` wrote. Raises RuntimeError for a broken one."""
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            # A processor that can would compute in bf16 by itself.
            "INFERENCE_PRECISION_HINT": "bf16" if precision in (BF16, BF16X2) else "f32",
            # Several workers would be pinned to the same processors.
            "ENABLE_CPU_PINNING": "NO",
        }
        if isinstance(model, Path):
            model = read_network(model)
        self._compiled = openvino().Core().compile_model(model, "CPU", properties)
        self._request = self._compiled.create_infer_request()

    def __call__(self, x: torch.Tensor, ask: Callable[[], None]) -> torch.Tensor:
        """The network's output for a window, valid until the next call; ``ask`` may raise to stop it.

        OpenVINO looks between two layers whether it was cancelled.
        """
        import torch

        request = self._request
        request.set_input_tensor(openvino().Tensor(x.contiguous().numpy(), shared_memory=True))
        request.start_async()
        try:
            while not request.wait_for(_LOOK_MS):
                ask()
        except BaseException:
            request.cancel()
            try:
                request.wait()
            except RuntimeError:
                pass  # that it was cancelled
            raise
        request.wait()  # raises what went wrong
        return torch.from_numpy(request.get_output_tensor(0).data)

    def rest(self) -> None:
        """Give back the memory of its layers until the next call."""
        release = getattr(self._compiled, "release_memory", None)
        if release is not None:
            release()


def save(model: Model, path: Path) -> None:
    """Write ``path`` (``.xml``) and the numbers beside it (``.bin``), in single precision."""
    openvino().save_model(model, path, compress_to_fp16=False)


def processor() -> str:
    """The processor and what it can, as far as it decides about results."""
    core = openvino().Core()
    able = sorted(str(one) for one in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {' '.join(able)}"


def has_tiles() -> bool:
    """Whether the processor multiplies tiles of bf16: what OpenVINO takes for a convolution tells."""
    module, channels = openvino(), 32
    opset = module.opset1
    x = opset.parameter([1, channels, 8, 8, 8])
    weight = opset.constant(np.ones((channels, channels, 3, 3, 3), np.float32))
    one = [1, 1, 1]
    model = module.Model([opset.convolution(x, weight, one, one, one, one)], [x])
    compiled = module.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    kinds = [one.get_rt_info()["primitiveType"].astype(str) for one in compiled.get_runtime_model().get_ops()]
    return any("amx" in kind for kind in kinds)


def has_bf16() -> bool:
    """Whether the processor computes in bf16."""
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
