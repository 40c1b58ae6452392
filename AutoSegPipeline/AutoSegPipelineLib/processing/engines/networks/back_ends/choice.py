"""Which back end computes a network: decided when it meets its first case, and told with every case."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Optional

from .....core.errors import Cancelled
from .....core.progress import no_check
from ..processors import cpu_threads
from ..trouble import FAILURES, short
from . import kept, parity, wanted
from .parity import LEAST, LEAST_BF16, Parity
from .runner import Runner
from .wanted import BF16, BF16X2, F32
from .windows import Reference

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


@dataclass(frozen=True)
class Choice:
    """``note`` is what the manifest says of the network; ``warning`` that it is not what was asked for."""

    note: dict[str, object]
    runner: Optional[Runner] = None
    warning: str = ""


def use(predictor: nnUNetPredictor, data: torch.Tensor) -> None:
    """Let the chosen back end compute ``predictor``'s network, and tell its course.

    ``data`` (channels, ...) is the preprocessed case at hand, a part of which both back ends try at the
    first time. Raises ``Cancelled`` and what torch raises.
    """
    if predictor.chosen is None:
        predictor.chosen = _choose(predictor, data)
        if predictor.chosen.runner is not None:
            predictor.network.forward = predictor.chosen.runner
        if predictor.course is not None:
            predictor.course.log(_line(predictor.chosen.note))
    if predictor.course is not None:
        predictor.course.used_network(predictor.chosen.note, predictor.chosen.warning)


def rest(predictor: nnUNetPredictor) -> None:
    """The case is through this network."""
    if predictor.chosen is not None and predictor.chosen.runner is not None:
        predictor.chosen.runner.rest()


def _choose(predictor: nnUNetPredictor, data: torch.Tensor) -> Choice:
    reason = _why_torch(predictor)
    if reason:
        return _torch(predictor, reason)
    reference = Reference(predictor, data)
    try:
        lacks, found = "", None
        if wanted.wanted() == wanted.OPENVINO_BF16 and not _has_bf16():
            lacks = "the processor does not compute in bf16"
        for precision in _precisions():
            try:
                tried = _openvino(predictor, reference, precision)
            except Cancelled:
                raise
            except FAILURES as error:
                if reference.failed or precision == F32:
                    raise
                lacks = f"OpenVINO cannot run it in {precision}: {_said(error)}"
                _log(predictor, f"{predictor.title}: {lacks}")
                continue
            if tried is None:
                continue
            found, runner = tried
            if runner is not None:
                return _chosen(predictor, runner, found, precision, lacks)
            what = "OpenVINO" if precision == F32 else precision
            lacks = f"{what} decided otherwise than torch: {found.text()}"
        return _torch(predictor, lacks, found)
    except Cancelled:
        raise
    except FAILURES as error:
        if reference.failed:
            raise
        return _torch(predictor, f"OpenVINO cannot run it: {_said(error)}")


def _why_torch(predictor: nnUNetPredictor) -> str:
    """Why nothing but torch comes into question; empty where OpenVINO does."""
    from torch._dynamo import OptimizedModule  # nnU-Net tells a compiled network in the same way

    if predictor.device.type != "cpu":
        return f"it computes on {predictor.device}"
    if wanted.wanted() == wanted.TORCH:
        return "the setting back_end says so"
    if not wanted.openvino_version():
        return "OpenVINO is not installed"
    if len(predictor.list_of_parameters) != 1:
        return f"it averages {len(predictor.list_of_parameters)} folds"
    if isinstance(predictor.network, OptimizedModule):
        return "torch compiles it"
    return ""


def _precisions() -> tuple[str, ...]:
    """The fastest first; what decides otherwise than torch gives way to the next."""
    asked = wanted.wanted()
    if asked == wanted.OPENVINO_F32:
        return (F32,)
    coarse = (BF16,) if asked == wanted.OPENVINO_BF16 and _has_bf16() else ()
    return (*coarse, BF16X2, F32)


def _openvino(
    predictor: nnUNetPredictor, reference: Reference, precision: str
) -> Optional[tuple[Parity, Optional[Runner]]]:
    """How alike OpenVINO decides, and what computes with it where that is alike enough.

    None where the network or the processor gains nothing by bf16x2.
    """
    if precision == BF16X2 and not _has_tiles():
        return None
    import torch

    from .compiled import Compiled, convert, save

    network, head, shape = predictor.network, predictor.head, reference.shape
    cut = None if head is None else head.layer
    least, threads = (LEAST_BF16 if precision == BF16 else LEAST), cpu_threads()
    about = (
        wanted.openvino_version(),
        torch.__version__,
        precision,
        _processor(),
        str(cut),
    )
    name = kept.key(network, shape, about)
    record = kept.find(name)
    if record is not None and not record.parity.holds(least):
        return record.parity, None
    if record is not None and record.model is not None:
        try:
            compiled = Compiled(record.model, precision, threads)
            return record.parity, Runner(compiled, shape, head, predictor.passes, record.seconds)
        except RuntimeError as error:
            _log(predictor, f"{record.model} cannot be used: {error}")
            kept.forget(name)
    decided = reference.decided()
    with predictor.passes.aside(no_check):
        # An error out of the conversion would hide a cancel.
        model = convert(network, shape, cut, precision)
    if model is None:
        return None
    compiled = Compiled(model, precision, threads)
    runner = Runner(compiled, shape, head, predictor.passes)
    found = parity.worst([reference.compare(runner, *one) for one in decided])
    accepted = found.holds(least)
    try:
        kept.keep(name, found, runner.seconds, (lambda path: save(model, path)) if accepted else None)
    except (OSError, RuntimeError) as error:
        _log(predictor, f"the converted network is not kept: {error}")
    return found, (runner if accepted else None)


@lru_cache(maxsize=1)
def _processor() -> str:
    from .compiled import processor

    return processor()


@lru_cache(maxsize=1)
def _has_tiles() -> bool:
    from .compiled import has_tiles

    return has_tiles()


@lru_cache(maxsize=1)
def _has_bf16() -> bool:
    from .compiled import has_bf16

    return has_bf16()


def _chosen(predictor: nnUNetPredictor, runner: Runner, found: Parity, precision: str, lacks: str) -> Choice:
    note: dict[str, object] = {
        "network": predictor.title,
        "back_end": wanted.OPENVINO,
        "version": wanted.openvino_version(),
        "precision": precision,
        "parity": found.to_dict(),
    }
    warning = ""
    if precision == BF16:
        warning = f"{predictor.title} was computed in bf16, which differs from torch: {found.text()}."
    elif lacks:
        note["reason"] = lacks
        if wanted.wanted() == wanted.OPENVINO_BF16:
            warning = f"{predictor.title} was computed in {precision}: {lacks}."
    return Choice(note, runner, warning)


def _torch(predictor: nnUNetPredictor, reason: str, found: Optional[Parity] = None) -> Choice:
    import torch

    note: dict[str, object] = {
        "network": predictor.title, "back_end": wanted.TORCH, "version": str(torch.__version__),
        "reason": reason,
    }  # fmt: skip
    if found is not None:
        note["parity"] = found.to_dict()
    asked, warning = wanted.wanted(), ""
    if asked not in (wanted.AUTO, wanted.TORCH) and predictor.device.type == "cpu":
        warning = f"{predictor.title} was computed by torch, not by {asked}: {reason}."
        if not wanted.openvino_version():
            warning += f" Install it with: {wanted.INSTALL}"
    return Choice(note, None, warning)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {short(str(error))}"


def _line(note: dict[str, object]) -> str:
    why = f" ({note['reason']})" if "reason" in note else ""
    precision = f" in {note['precision']}" if "precision" in note else ""
    return f"{note['network']}: computed by {note['back_end']} {note['version']}{precision}{why}"


def _log(predictor: nnUNetPredictor, text: str) -> None:
    if predictor.course is not None:
        predictor.course.log(text, "warning")
