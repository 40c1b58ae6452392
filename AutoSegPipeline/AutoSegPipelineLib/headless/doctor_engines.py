"""What ``doctor`` says of the engines' surroundings: other Pythons, Slicers, GPU, weights."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ..core.engines import ENGINES, EngineRow
from ..core.errors import PipelineError
from ..core.settings import Settings
from ..core.slicer_python import installed
from .extras import ask, read_weights, workers_python
from .findings import FAIL, OK, WARN, Finding
from .own_models import ask_models

_GPU_SECONDS = 120.0
_DEVICE = (
    "import json, torch\n"
    "mps = getattr(torch.backends, 'mps', None)\n"
    "names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]\n"
    "print(json.dumps({'torch': torch.__version__, 'cuda': torch.version.cuda, 'gpus': names,"
    " 'works': bool(torch.cuda.is_available()), 'mps': bool(mps and mps.is_available())}))\n"
)
# Its usage statistics, a package of their own, are sent even on import.
_BACK_END = (
    "import importlib.util, json, sys\n"
    "found = {'torch': importlib.util.find_spec('torch') is not None, 'openvino': '', 'bf16': False}\n"
    "if importlib.util.find_spec('openvino') is not None:\n"
    "    sys.modules['openvino_telemetry'] = None\n"
    "    import openvino\n"
    "    able = openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')\n"
    "    found.update(openvino=openvino.__version__.partition('-')[0], bf16='BF16' in able)\n"
    "print(json.dumps(found))\n"
)


def slicers() -> Iterator[Finding]:
    """Every 3D Slicer that is found; packages that its extensions brought need not be installed here."""
    found = installed()
    for python in found:
        yield Finding("slicer", OK, f"{python} (autoseg serve --slicer {python.parent})")
    if not found:
        yield Finding("slicer", OK, "none found; --slicer DIR names one in another place")


def workers(settings: Settings) -> tuple[str | None, list[Finding]]:
    """The other Python of the workers, if any, and what is to say of it."""
    try:
        python = workers_python(settings)
    except PipelineError as error:
        return None, [Finding("workers", FAIL, error.message, error.hint)]
    if python is None:
        return None, []
    try:
        version = ask(python, ["-c", "import json, sys; print(json.dumps(sys.version.split()[0]))"])
    except PipelineError as error:
        return python, [Finding("workers", FAIL, error.message, error.hint)]
    return python, [Finding("workers", OK, f"run under Python {version}: {python}")]


def device(python: str | None, gpu_here: bool) -> Finding:
    """Whether torch computes on a GPU; that it does not is a warning, because it costs hours."""
    try:
        found = ask(python, ["-c", _DEVICE], _GPU_SECONDS)
    except PipelineError as error:
        if "No module named 'torch'" in error.message:
            return Finding("device", OK, "torch is not installed; engines compute on the CPU")
        return Finding("device", WARN, f"torch does not work: {error.message}", "Install it again.")
    return judged(found, gpu_here)


def judged(found: dict[str, Any], gpu_here: bool) -> Finding:
    """What torch's answer means."""
    torch = f"torch {found['torch']}"
    if found["works"]:
        return Finding("device", OK, f"{torch} computes on the GPU: {', '.join(found['gpus'])}")
    if found["mps"]:
        text = f"{torch} computes on the CPU; Apple's GPU is used with --device mps"
        return Finding("device", OK, text)
    if not gpu_here:
        text = f"NO GPU IS USED: {torch} computes on the CPU, which takes minutes where a GPU takes seconds"
        return Finding(
            "device", WARN, text, "Use --quality fast or fastest, or a machine with an NVIDIA GPU."
        )
    if found["cuda"] is None:
        text = f"NO GPU IS USED though one is here: {torch} was built for the CPU only"
        return Finding("device", WARN, text, _other_torch())
    text = f"NO GPU IS USED though one is here: {torch} for CUDA {found['cuda']} does not reach it"
    return Finding("device", WARN, text, "Update the GPU's driver, or choose a torch for its CUDA version.")


def back_end(python: str | None, settings: Settings) -> Iterator[Finding]:
    """What computes networks on the CPU; nothing where no torch is, and so no networks are."""
    try:
        found = ask(python, ["-c", _BACK_END])
    except PipelineError as error:
        fix = "Install it again, or set back_end=torch."
        yield Finding("back end", WARN, f"OpenVINO does not work: {error.message}", fix)
        return
    if found["torch"]:
        yield judged_back_end(found, str(settings["back_end"]), python)


def judged_back_end(found: Mapping[str, object], wanted: str, python: str | None) -> Finding:
    """What is here, against the setting ``back_end``."""
    version, fix = found["openvino"], "python3 autoseg.py install openvino"
    if python is not None:
        fix = f"{python} -m pip install openvino"
    if wanted == "torch":
        return Finding("back end", OK, "torch computes networks on the CPU, as the setting back_end says")
    if not version:
        text = "torch computes networks on the CPU; OpenVINO, which is faster there, is not installed"
        return (
            Finding("back end", OK, f"{text} ({fix})")
            if wanted == "auto"
            else Finding("back end", WARN, text, fix)
        )
    if wanted == "openvino-bf16" and not found["bf16"]:
        text = f"OpenVINO {version} computes in single precision: this processor has no bf16"
        return Finding("back end", WARN, text, "Set back_end=auto.")
    precision = " in bf16" if wanted == "openvino-bf16" else ""
    return Finding(
        "back end",
        OK,
        f"OpenVINO {version} computes networks on the CPU{precision}, if it decides as torch does",
    )


def _other_torch() -> str:
    """The command that brings a torch for the GPU, with the first engine that computes with it."""
    for row in ENGINES:
        if row.install and "torch" in row.pip:
            return f"python3 autoseg.py install {row.install} --torch cuda"
    return "Install a build of torch for the GPU."


def weights(settings: Settings) -> Iterator[Finding]:
    """Which tasks of each engine can begin at once; nothing of an engine that is not installed."""
    for row in ENGINES:
        if row.weights:
            yield from _weights(row, settings)


def _weights(row: EngineRow, settings: Settings) -> Iterator[Finding]:
    try:
        found = read_weights(row, settings)
    except PipelineError as error:
        yield Finding("weights", WARN, error.message, error.hint)
        return
    if not found["version"]:
        return
    broken = [model["name"] for model in found["models"] if model["state"] == "broken"]
    for name in broken:
        yield Finding(
            "weights", WARN, f"{name} is incomplete", "Import it again: autoseg weights import FILE"
        )
    there = {model["number"] for model in found["models"] if model["state"] == "there"}
    ready = [
        f"{task['name']} {quality}"
        for task in found["tasks"]
        for quality, models in task["qualities"].items()
        if models and there.issuperset(models)
    ]
    size = sum(model["bytes"] for model in found["models"]) / 1e6
    text = f"{len(there)} models, {size:.1f} MB in {found['folder']}"
    if ready:
        shown = ", ".join(ready[:6]) + (" ..." if len(ready) > 6 else "")
        yield Finding("weights", OK, f"{text}; ready: {shown}")
    elif there and not any(models for task in found["tasks"] for models in task["qualities"].values()):
        # This package states what a task needs only while it downloads.
        yield Finding("weights", OK, text)
    else:
        fix = "They are fetched where download_weights allows it; else see `autoseg weights list`."
        yield Finding("weights", WARN, f"{text}; no task could begin without fetching", fix)


def broken_models(settings: Settings) -> Iterator[Finding]:
    """Own models that are no task, because their record cannot be used."""
    try:
        found = ask_models(settings, "list")["broken"]
    except PipelineError as error:
        yield Finding("model", WARN, error.message, error.hint)
        return
    for wrong in found:
        fix = "Add it again with `autoseg models add --replace`, or remove it: `autoseg models remove NAME`."
        yield Finding("model", WARN, wrong["message"], fix)
