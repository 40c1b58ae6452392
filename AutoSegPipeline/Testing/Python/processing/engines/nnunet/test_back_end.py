"""Own models by OpenVINO in a real worker: decided once, and the manifest says what computed them."""

from __future__ import annotations

import json
from pathlib import Path

from support import own_model_cases as cases
from support import tiny_models
from support.own_models import Models
from support.processing import case_message
from support.tiny_totalsegmentator import logs, needs_package, result_of, user_data

pytestmark = needs_package


def test_a_second_case_finds_the_network_converted_and_the_manifest_names_it(results, tmp_path: Path) -> None:
    kind = tiny_models.BY_NAME["channels"]
    first, second = cases.write_inputs(tmp_path / "in", kind)
    adding = Models()
    adding("add", tmp_path / "models", source=results / kind.dataset)
    adding.close()
    options = {"engine": "nnunet", "task": "channels", "device": "cpu", "formats": ["labels"]}
    message = case_message(first, tmp_path, modality="MR", options=options, channels=[str(second)])
    there = cases.model_worker(tmp_path / "models", AUTOSEG_BACK_END="auto", **user_data(tmp_path / "data"))
    try:
        seen = cases.ask_case(there, "channels", [first, second], tmp_path / "first")
        there.send(type="case", job="files", attempt=1, case=message)
        again = there.until("done", "failed", seconds=120)
    finally:
        there.close()
    result_of(seen)
    result_of(again)
    assert "computed by openvino" in logs(seen) and "computed by" not in logs(again)
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    (note,) = manifest["engines"][0]["facts"]["networks"]
    assert note["network"] == "channels 3d_fullres" and note["back_end"] == "openvino"
    assert note["parity"]["equal"] >= 0.9999 and note["precision"] == "f32"
