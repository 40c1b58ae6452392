"""The real worker and engine on a machine whose GPU is made up: torch and the package's call are fakes.

``FAKE_GPU`` names a JSON file ``{"gpus": N, "fails": "memory"|"launch"|""}`` that is read at every
question, so a test can take the GPU away and bring it back. A task on the CPU always works.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))  # children start without their script's folder
from AutoSegPipelineLib.processing import worker
from AutoSegPipelineLib.processing.engines.base import Check
from AutoSegPipelineLib.processing.engines.totalsegmentator import engine, health, package, weights

from support.tiny_totalsegmentator import small_catalogue

ERRORS = {
    "memory": "CUDA out of memory. Tried to allocate 9.00 GiB",
    "launch": "CUDA error: unspecified launch failure",
}


def machine() -> dict:
    """What the machine is like now."""
    return json.loads(Path(os.environ["FAKE_GPU"]).read_text(encoding="utf-8"))


def fake_torch() -> types.ModuleType:
    """As much of torch as deciding about a device needs."""
    torch = types.ModuleType("torch")
    torch.__version__ = "0.0"  # type: ignore[attr-defined]
    torch.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        is_available=lambda: machine()["gpus"] > 0,
        device_count=lambda: machine()["gpus"],
        get_device_name=lambda number: "Made up",
        empty_cache=lambda: None,
    )
    torch.version = types.SimpleNamespace(cuda="0.0")  # type: ignore[attr-defined]
    torch.backends = types.SimpleNamespace()  # type: ignore[attr-defined]
    return torch


def run_task(known, run, volume, options, course, device, split=False):
    """In place of the package: one structure, where the device can do it."""
    course.log(f"ran {run.task.name}:{run.quality} on {device}{' in parts' if split else ''}")
    fails = machine()["fails"]
    if device.startswith("gpu") and fails:
        raise RuntimeError(ERRORS[fails])
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[2:8, 2:8, 2:8] = 1
    return labels, []


sys.modules["torch"] = fake_torch()
engine.catalogue = small_catalogue  # type: ignore[assignment]
engine.installed = lambda: True  # type: ignore[assignment]
health.examine = lambda: Check(True)  # type: ignore[assignment]
package.run_task = run_task  # type: ignore[assignment]
weights.missing = lambda known, numbers: []  # type: ignore[assignment]

if __name__ == "__main__":
    sys.exit(worker.main())
