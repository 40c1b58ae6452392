"""The table of engines, the names of structures, and how `auto` chooses."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core.errors import CODES, EngineFailed
from AutoSegPipelineLib.processing import engines as registry
from AutoSegPipelineLib.processing.engines import Check, Task, choose, engines
from AutoSegPipelineLib.processing.engines.structures import SCHEME, STRUCTURES, structure_segment


def test_every_snomed_code_stands_in_the_dictionary_of_dicom_with_its_meaning():
    # The public `codes.SCT` raises for a keyword with two codes in pydicom 2.4.
    from pydicom.sr._concepts_dict import concepts

    known: dict[str, set[str]] = {}
    for entry in concepts["SCT"].values():
        for value, (meaning, *_) in entry.items():
            known.setdefault(value, set()).add(meaning)
    known["67769002"] = {"Subcutaneous fatty tissue"}  # of the table of known structures
    for structure in STRUCTURES.values():
        for code in (structure.category, structure.code, structure.modifier):
            assert code is None or code.scheme == SCHEME or code.meaning in known.get(code.value, ()), code


def test_every_structure_has_a_name_title_colour_and_group_of_its_own():
    assert len({s.title for s in STRUCTURES.values()}) == len(STRUCTURES)
    assert len({s.colour for s in STRUCTURES.values()}) == len(STRUCTURES)
    assert all(0 <= part <= 1 for s in STRUCTURES.values() for part in s.colour)
    assert all(
        s.group in {"organs", "bones", "airways", "tissue", "muscles", "vessels"} for s in STRUCTURES.values()
    )
    left, right = STRUCTURES["lung_left"], STRUCTURES["lung_right"]
    assert (left.modifier.meaning, right.modifier.meaning) == ("Left", "Right")
    assert structure_segment("gall_stone", 0, 3).code.scheme == SCHEME


class Fake:
    """An engine that only says what it is."""

    def __init__(self, name, rank, modality, ok=True):
        self.name, self.title, self.rank, self.modality, self.ok = name, name, rank, modality, ok

    def tasks(self):
        return [Task("all", "All", self.modality, ("body",))]

    def check(self):
        return Check(self.ok, () if self.ok else ("weights",))


def test_auto_takes_the_best_engine_that_works_for_the_modality(monkeypatch):
    fakes = [
        Fake("best", 90, "CT"),
        Fake("broken", 95, "CT", ok=False),
        Fake("magnet", 50, "MR"),
        Fake("low", 10, "CT"),
    ]
    monkeypatch.setattr(
        registry, "engines", lambda: {e.name: e for e in sorted(fakes, key=lambda e: -e.rank)}
    )
    assert choose("auto", "CT").name == "best"
    assert choose("", "MR").name == "magnet"
    assert choose("Low", "CT").name == "low"
    with pytest.raises(EngineFailed) as caught:
        choose("broken", "CT")
    assert caught.value.code == "engine.not_available" and "weights" in caught.value.message
    with pytest.raises(EngineFailed) as caught:
        choose("auto", "PT")
    assert caught.value.code == "engine.wrong_modality" and "magnet takes MR only" in caught.value.message
    assert caught.value.hint == CODES["engine.wrong_modality"]  # nothing that can be installed takes PT


def test_a_scan_that_no_engine_here_takes_hears_which_one_would(monkeypatch):
    from AutoSegPipelineLib.processing.engines.tissue import TissueEngine

    monkeypatch.setattr(registry, "engines", lambda: {"tissue": TissueEngine()})
    with pytest.raises(EngineFailed) as caught:
        choose("auto", "MR", "knee.nii.gz")
    assert caught.value.code == "engine.wrong_modality"
    assert caught.value.message.startswith("knee.nii.gz is MR: no engine here can segment MR")
    assert "takes MR: `python3 autoseg.py install totalsegmentator`" in caught.value.hint


def test_an_unknown_engine_is_answered_with_the_nearest():
    assert "tissue" in engines()
    with pytest.raises(EngineFailed) as caught:
        choose("tisue")
    assert caught.value.code == "engine.unknown" and "did you mean 'tissue'?" in caught.value.message


def test_a_task_tells_itself_as_json():
    import json

    task = json.loads(json.dumps(engines()["tissue"].tasks()[0].to_dict()))
    assert task["name"] == "tissue" and task["modality"] == "CT" and "lung_left" in task["classes"]
