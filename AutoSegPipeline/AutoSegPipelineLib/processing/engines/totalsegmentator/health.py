"""Whether the installed package could compute anything; imports alone hide a broken installation."""

from __future__ import annotations

from ..base import Check
from . import weights
from .catalogue import catalogue
from .trouble import FAILURES


def examine() -> Check:
    """Import what a prediction imports and resolve a trainer class, as nnU-Net does before each one.

    A torch and a torchvision of different builds import well, yet every prediction
    ends when nnU-Net searches its trainers (``operator torchvision::nms does not exist``).
    """
    try:
        from .package import prepare

        prepare()
        import totalsegmentator.python_api  # noqa: F401 - also replaces nnU-Net's search by its own
        from nnunetv2.inference import predict_from_raw_data as nnunet

        if hasattr(nnunet, "recursive_find_trainer_class_by_name"):
            nnunet.recursive_find_trainer_class_by_name("nnUNetTrainerNoMirroring")
        else:
            _search_as_older(nnunet)
    except FAILURES as error:
        return Check(False, (), f"the installation is broken: {type(error).__name__}: {_short(error)}")
    from ..networks.devices import describe
    from .seams import is_warm

    notes = [describe()]
    if not is_warm():
        notes.append("this version cannot be kept loaded between cases")
    if not weights.default_present(catalogue()):
        notes.append(f"no weights for a whole body in {weights.folder()}")
    return Check(True, note="; ".join(notes))


def _search_as_older(nnunet: object) -> None:
    import nnunetv2

    folder = f"{nnunetv2.__path__[0]}/training/nnUNetTrainer"
    found = nnunet.recursive_find_python_class(  # type: ignore[attr-defined]
        folder, "nnUNetTrainerNoMirroring", "nnunetv2.training.nnUNetTrainer"
    )
    if found is None:
        raise ImportError("nnU-Net has no class nnUNetTrainerNoMirroring")


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else "no more is known"
