"""nnU-Net's post-processing file: which structures keep their largest component only."""

from __future__ import annotations

import codecs
import io
import json
import pickle
from numbers import Integral
from typing import TYPE_CHECKING, Iterable, Mapping

from ....core.errors import PipelineError
from ..networks.model_files import ModelFiles
from .record import Rule
from .trained import joined

if TYPE_CHECKING:
    import numpy as np

_FUNCTION = "remove_all_but_largest_component_from_segmentation"
_MOST = 64 << 20
_FILES = ("postprocessing.json", "postprocessing.pkl")


def postprocessing_file(files: ModelFiles, place: str, folds: Iterable[str]) -> str:
    """The file that belongs to these folds of the network in ``place``; empty for none.

    nnU-Net keeps it in ``crossval_results_folds_0_1_2_3_4``; one beside plans.json was put there by hand.
    """
    results = f"crossval_results_folds_{'_'.join(folds)}"
    for folder in ("", results):
        for name in _FILES:
            path = joined(place, joined(folder, name))
            if path in files.names:
                return path
    return ""


def read_rules(files: ModelFiles, name: str) -> tuple[Rule, ...]:
    """What the file says; raises ``model.unsupported`` for steps that nnU-Net itself does not write."""
    data = files.read(name, _MOST)
    shown = f"{files.title}: {name}"
    try:
        if name.endswith(".json"):
            value = json.loads(data.decode("utf-8"))
            functions, arguments = value["postprocessing_fns"], value["postprocessing_kwargs"]
        else:
            functions, arguments = _SafeUnpickler(io.BytesIO(data)).load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:
        raise PipelineError("model.invalid", f"{shown} cannot be read: {error}") from error
    wrong = [one for one in functions if one != _FUNCTION]
    if wrong or len(functions) != len(arguments):
        text = f"{shown} has the step {wrong[0]!r:.100}" if wrong else f"{shown} is not complete"
        raise PipelineError(
            "model.unsupported", text, f"Only {_FUNCTION} is known; remove the file, or the step."
        )
    return tuple(_rule(one, shown) for one in arguments)


def apply_rules(labels: np.ndarray, rules: Iterable[Rule]) -> np.ndarray:
    """``labels`` (in the order of nnU-Net's reader) after every rule, by nnU-Net's own function."""
    from nnunetv2.postprocessing.remove_connected_components import (
        remove_all_but_largest_component_from_segmentation as keep_largest,
    )

    for values, background in rules:
        labels = keep_largest(labels, list(values), background)
    return labels


def _rule(arguments: Mapping[str, object], shown: str) -> Rule:
    unknown = set(arguments) - {"labels_or_regions", "background_label"}
    labels = _numbers(arguments.get("labels_or_regions"))
    background = _numbers(arguments.get("background_label", 0))
    if unknown or not labels or len(background) != 1:
        what = f"unknown {', '.join(sorted(unknown))}" if unknown else "its labels are no numbers"
        raise PipelineError("model.unsupported", f"{shown}: {what}")
    return labels, background[0]


def _numbers(value: object) -> tuple[int, ...]:
    """A label, or the labels of a region or of several; numpy's numbers in a pickle."""
    if isinstance(value, (list, tuple)):
        return tuple(number for one in value for number in _numbers(one))
    return (int(value),) if isinstance(value, Integral) else ()


class _SafeUnpickler(pickle.Unpickler):
    """Of all names only nnU-Net's function, as its name, and numpy's numbers."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("nnunetv2.postprocessing.remove_connected_components", _FUNCTION):
            return _FUNCTION
        if name == "scalar" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            import numpy as np

            return np.int64(0).__reduce__()[0]
        if (module, name) == ("numpy", "dtype"):
            import numpy as np

            return np.dtype
        if (module, name) == ("_codecs", "encode"):
            return codecs.encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no post-processing of nnU-Net")
