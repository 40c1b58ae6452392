"""Undocumented names of other packages that we use, and a check that they are there.

Also runs in the Python of another environment: ``python -c TEXT PARTS`` prints the complaints as JSON.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any, Iterable, NamedTuple, Optional


class Part(NamedTuple):
    """``owner`` is ``module``, ``module:Class`` or ``module:Class()`` for an instance.

    ``parameters`` are those that we give, in the order in which the package has them; None: not called.
    """

    file: str  # of the library, that relies on it
    owner: str
    name: str
    parameters: Optional[tuple[str, ...]] = None


def parts(file: str, owner: str, *names: str) -> list[Part]:
    """One for each of ``names``: ``name`` or ``name(parameter, parameter)``."""
    found = []
    for text in names:
        name, called, inside = text.rstrip(")").partition("(")
        given = tuple(one.strip() for one in inside.split(",") if one.strip())
        found.append(Part(file, owner, name, given if called else None))
    return found


def complaint(part: Part, holder: Any = None) -> str:
    """What is wrong with ``part`` in the installed version, and what to do; empty where all is well.

    ``holder`` stands in for the owner.
    """
    try:
        value = _value(part, holder)
        wrong = "" if part.parameters is None else _signature_wrong(value, part.parameters)
    except (ImportError, AttributeError) as error:
        wrong = f"is gone ({error})"
    if not wrong:
        return ""
    return (
        f"{part.owner} {part.name} {wrong}. AutoSegPipelineLib/{part.file} relies on it: "
        "see what the new version does instead, change that file, then support/inner_parts.py"
    )


def _value(part: Part, holder: Any) -> Any:
    module, _, inside = part.owner.partition(":")
    if holder is None:
        holder = importlib.import_module(module)
        if inside:
            holder = getattr(holder, inside[:-2])() if inside.endswith("()") else getattr(holder, inside)
    if not hasattr(holder, part.name) and not inside:
        return importlib.import_module(f"{module}.{part.name}")
    return getattr(holder, part.name)


def _signature_wrong(value: Any, wanted: tuple[str, ...]) -> str:
    known = {name: one for name, one in inspect.signature(value).parameters.items() if name != "self"}
    needed = {
        name
        for name, one in known.items()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }
    if [name for name in known if name in wanted] == list(wanted) and needed <= set(wanted):
        return ""
    return f"takes ({', '.join(known)}), we give ({', '.join(wanted)})"


_H11 = "uvicorn.protocols.http.h11_impl"
# The attributes of these exist on an instance only, which web/http/test_inner_parts.py makes.
PROTOCOL = [
    *parts(
        "web/http/timeouts.py", f"{_H11}:H11Protocol",
        "connection_made(transport)", "connection_lost(exc)", "data_received(data)", "on_response_complete()",
        "pause_writing()", "resume_writing()", "cycle", "loop", "transport",
    ),
    *parts(
        "web/http/large_bodies.py", f"{_H11}:H11Protocol",
        "data_received(data)", "handle_events()", "on_response_complete()",
        "config", "conn", "cycle", "flow", "headers", "transport",
    ),
]  # fmt: skip
CYCLE = [
    *parts("web/http/timeouts.py", f"{_H11}:RequestResponseCycle", "response_complete"),
    *parts(
        "web/http/large_bodies.py", f"{_H11}:RequestResponseCycle",
        "body", "conn", "disconnected", "flow", "message_event", "more_body", "receive()",
        "response_complete", "transport", "waiting_for_100_continue",
    ),
]  # fmt: skip
FLOW = parts(
    "web/http/large_bodies.py", "uvicorn.protocols.http.flow_control:FlowControl",
    "pause_reading()", "resume_reading()",
)  # fmt: skip
WEB = parts("web/server.py", "uvicorn:Server", "capture_signals()", "serve(sockets)")

# Its settings, which its documentation describes under this name.
PYNETDICOM = parts("dicom/send/c_store.py", "pynetdicom", "_config")

HEADLESS = parts("headless/cli.py", "click.utils", "make_str(value)")

# Of Python itself. os._exit is documented; it stands here only because of its name.
STANDARD = [
    *parts("core/child_channel.py", "os", "_exit"),
    *parts("headless/app.py", "os", "_exit"),
    *parts("headless/bundle_host.py", "os", "_exit"),
    *parts("processing/dicom_objects/build.py", "os", "_exit"),
    *parts("runtime/logs.py", "logging.handlers:RotatingFileHandler", "_open()"),
    *parts(
        "slicer_app/server/head.py", "http.server:BaseHTTPRequestHandler",
        "parse_request()", "send_error(code, message, explain)", "handle_expect_100()", "protocol_version",
    ),
]  # fmt: skip

_ENGINE = "processing/engines/totalsegmentator"
_NETWORKS = "processing/engines/networks"
_PREDICT = "nnunetv2.inference.predict_from_raw_data"
# Of the version that requirements/totalsegmentator.txt pins.
TOTALSEGMENTATOR = [
    *parts(
        f"{_ENGINE}/seams.py", "totalsegmentator.nnunet",
        "nnUNetv2_predict(dir_in, dir_out, task_id, model, folds, trainer, tta, plans, device, step_size)",
        "nnUNetPredictor", "change_spacing", "get_output_folder",
    ),
    *parts(f"{_ENGINE}/seams.py", "totalsegmentator.python_api", "download_pretrained_weights(task_id)"),
    *parts(f"{_ENGINE}/seams.py", "totalsegmentator.nnunet", "undo_crop(img, ref_img, bbox)"),
    *parts(
        f"{_ENGINE}/seams.py", "totalsegmentator.postprocessing",
        "keep_largest_blob(data, debug)", "remove_small_blobs(img, interval, debug)",
    ),
    *parts(f"{_ENGINE}/resampling.py", "totalsegmentator.resampling", "resample_img", "change_spacing"),
    *parts(f"{_ENGINE}/seams.py", _PREDICT, "tqdm"),
    *parts(f"{_ENGINE}/seams.py", "totalsegmentator.libs", "tqdm"),
    *parts(
        f"{_NETWORKS}/label_map.py", "nnunetv2.inference.export_prediction",
        "convert_predicted_logits_to_segmentation_with_correct_shape(predicted_logits, plans_manager, "
        "configuration_manager, label_manager, properties_dict)",
    ),
    *parts(
        f"{_NETWORKS}/predict.py",
        "nnunetv2.preprocessing.preprocessors.default_preprocessor:DefaultPreprocessor",
        "run_case(image_files, seg_file, plans_manager, configuration_manager, dataset_json)",
    ),
    *parts(
        f"{_NETWORKS}/quick_crop.py", "nnunetv2.preprocessing.preprocessors.default_preprocessor",
        "crop_to_nonzero(data, seg)",
    ),
    *parts(
        f"{_NETWORKS}/label_map.py", "nnunetv2.preprocessing.resampling.default_resampling",
        "resample_data_or_seg_to_shape(data, new_shape, current_spacing, new_spacing)",
    ),
    *parts(
        f"{_NETWORKS}/label_map.py", "nnunetv2.utilities.label_handling.label_handling:LabelManager",
        "apply_inference_nonlin(logits)", "foreground_labels",
    ),
    *parts(
        f"{_ENGINE}/statistics.py", "totalsegmentator.python_api",
        "send_usage_stats", "increase_prediction_counter", "setup_totalseg", "set_config_key",
        "get_config_key(key_name)",
    ),
    *parts(f"{_ENGINE}/package.py", "totalsegmentator.config", "setup_nnunet()"),
    *parts(
        f"{_NETWORKS}/predictor.py", f"{_PREDICT}:nnUNetPredictor",
        "__init__(use_mirroring, perform_everything_on_device, device, allow_tqdm)",
        "predict_logits_from_preprocessed_data(data)", "predict_sliding_window_return_logits(input_image)",
        "_internal_maybe_mirror_and_predict(x)",
        "_internal_predict_sliding_window_return_logits(data, slicers, do_on_device)",
    ),
    *parts(
        f"{_NETWORKS}/predictor.py", f"{_PREDICT}:nnUNetPredictor()",
        "allowed_mirroring_axes", "device", "label_manager", "list_of_parameters", "network",
        "tile_step_size", "use_mirroring",
    ),
    *parts(
        f"{_NETWORKS}/pool.py", f"{_PREDICT}:nnUNetPredictor",
        "initialize_from_trained_model_folder(model_training_output_dir, use_folds, checkpoint_name)",
    ),
    *parts(f"{_NETWORKS}/back_ends/choice.py", "torch", "_dynamo"),
    *parts(f"{_NETWORKS}/back_ends/choice.py", "torch._dynamo", "OptimizedModule"),
    *parts(
        f"{_NETWORKS}/window.py", f"{_PREDICT}:nnUNetPredictor",
        "_internal_get_sliding_window_slicers(image_size)",
    ),
    *parts(
        f"{_NETWORKS}/window.py", "acvl_utils.cropping_and_padding.padding",
        "pad_nd_image(image, new_shape, mode, kwargs, return_slicer, shape_must_be_divisible_by)",
    ),
    *parts(
        f"{_NETWORKS}/window.py", f"{_PREDICT}:nnUNetPredictor()",
        "configuration_manager", "label_manager", "use_gaussian",
    ),
    *parts(
        f"{_NETWORKS}/window.py", "nnunetv2.inference.sliding_window_prediction",
        "compute_gaussian(tile_size, sigma_scale, value_scaling_factor, device)",
    ),
    *parts(
        f"{_NETWORKS}/quick_labels.py", "nnunetv2.utilities.label_handling.label_handling:LabelManager",
        "convert_logits_to_segmentation(predicted_logits)",
        "convert_probabilities_to_segmentation(predicted_probabilities)", "has_regions",
        "num_segmentation_heads",
    ),
    *parts(
        f"{_ENGINE}/health.py", _PREDICT, "recursive_find_trainer_class_by_name(trainer_name)",
    ),
]  # fmt: skip

EVERY = [*PROTOCOL, *CYCLE, *FLOW, *WEB, *HEADLESS, *PYNETDICOM, *STANDARD, *TOTALSEGMENTATOR]


def complaints(wanted: Iterable[Part]) -> list[str]:
    """Those of all of ``wanted``."""
    return [text for text in map(complaint, wanted) if text]


if __name__ == "__main__":
    print(json.dumps(complaints(Part(*one) for one in json.loads(sys.argv[1]))))
