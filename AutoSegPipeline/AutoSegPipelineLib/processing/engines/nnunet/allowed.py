"""Which classes and functions a model's plans may name: nnU-Net's own, and layers of networks.

nnU-Net looks names up and calls what it finds. ``torch.nn.modules.module.os.system`` is such a name.
"""

from __future__ import annotations

import inspect
import pydoc
import re
from typing import TYPE_CHECKING, Mapping

from ....core.errors import PipelineError

if TYPE_CHECKING:
    from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

_NETWORKS = ("dynamic_network_architectures.", "nnunetv2.")
_LAYERS = ("torch.nn.", *_NETWORKS)
_DOTTED = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+\Z")


def trainer_class(name: str, shown: str) -> type:
    """nnU-Net's own trainer of this name; raises ``model.unsupported`` for any other."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    try:
        found, lost = _search(("training", "nnUNetTrainer"), name), ""
    except ImportError as error:  # the search imports every trainer there, until it is found
        found, lost = None, f" (a file there cannot be imported: {error})"
    if not (inspect.isclass(found) and issubclass(found, nnUNetTrainer)):
        raise PipelineError(
            "model.unsupported",
            f"{shown} was trained with {name}, which the nnunetv2 of the workers does not have{lost}",
            "Where that class changes the training only, and not the network, add the model with "
            "--trainer nnUNetTrainer. Else its file belongs into nnunetv2/training/nnUNetTrainer of the "
            "workers' Python.",
        )
    return found


def check_plans(plans: Mapping[str, object], manager: ConfigurationManager, shown: str) -> None:
    """Raise ``model.unsupported`` for a class or function that is not nnU-Net's own.

    ``manager`` has the configuration's settings with what they inherit.
    """
    from nnunetv2.preprocessing.normalization.default_normalization_schemes import ImageNormalization
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    settings = manager.configuration
    _check_class(("preprocessing",), settings["preprocessor_name"], DefaultPreprocessor, shown)
    if "label_manager" in plans:
        _check_class(("utilities", "label_handling"), plans["label_manager"], LabelManager, shown)
    for scheme in settings["normalization_schemes"]:
        _check_class(("preprocessing", "normalization"), scheme, ImageNormalization, shown)
    for key in ("resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities"):
        found = _search(("preprocessing", "resampling"), settings[key])
        if not (
            inspect.isfunction(found) and found.__module__.startswith("nnunetv2.preprocessing.resampling")
        ):
            raise _refused(shown, key, settings[key])
    _check_network(manager, shown)


def _check_network(manager: ConfigurationManager, shown: str) -> None:
    from torch import nn

    name = manager.network_arch_class_name
    # nnU-Net falls back to the class's bare name among the architectures where the path has moved.
    if not _is_class(name, nn.Module, _NETWORKS) and not _moved(name, nn.Module):
        raise _refused(shown, "the network", name)
    given = manager.network_arch_init_kwargs
    for key in manager.network_arch_init_kwargs_req_import:
        if given.get(key) is not None and not _is_class(given[key], nn.Module, _LAYERS):
            raise _refused(shown, key, given[key])


def _is_class(name: object, base: type, roots: tuple[str, ...]) -> bool:
    if not isinstance(name, str) or not _DOTTED.match(name) or not name.startswith(roots):
        return False
    found = pydoc.locate(name)
    return inspect.isclass(found) and issubclass(found, base) and found.__module__.startswith(roots)


def _moved(name: object, base: type) -> bool:
    import dynamic_network_architectures
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    if not isinstance(name, str) or not _DOTTED.match(name) or not name.startswith(_NETWORKS):
        return False
    folder = f"{dynamic_network_architectures.__path__[0]}/architectures"
    found = recursive_find_python_class(
        folder, name.rpartition(".")[2], "dynamic_network_architectures.architectures"
    )
    return inspect.isclass(found) and issubclass(found, base)


def _check_class(place: tuple[str, ...], name: object, base: type, shown: str) -> None:
    found = _search(place, name)
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise _refused(shown, base.__name__, name)


def _search(place: tuple[str, ...], name: object) -> object:
    """What nnU-Net finds below ``place`` under this bare name; None for nothing."""
    import nnunetv2
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name):
        return None
    folder = "/".join((nnunetv2.__path__[0], *place))
    return recursive_find_python_class(folder, name, ".".join(("nnunetv2", *place)))


def _refused(shown: str, what: str, name: object) -> PipelineError:
    return PipelineError(
        "model.unsupported",
        f"{shown} asks for {what} {name!r:.120}, which is not nnU-Net's own",
        "Such code must be a part of nnunetv2 or dynamic_network_architectures in the workers' Python.",
    )
