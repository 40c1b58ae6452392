"""Classes of other programs and models: what their own table states, else exact meaning, never a guess."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.segmentation import Code, Segment
from AutoSegPipelineLib.formats.label_rows import Entry
from AutoSegPipelineLib.formats.label_tables import read_table
from AutoSegPipelineLib.processing.foreign_names import segment_of
from AutoSegPipelineLib.processing.known_structures import known_structure, structure_coded

LEFT = Code("SCT", "7771000", "Left")


def class_segments(classes: dict[int, str], table: list[Entry] | None = None) -> list[Segment]:
    """The segments of a model's ``classes`` (label -> name); a row of ``table`` counts before the name."""
    rows = {entry.value: entry for entry in table or []}
    taken: set[str] = set()
    entries = [rows.get(value) or Entry(value, name) for value, name in classes.items()]
    return [segment_of(entry, taken, number) for number, entry in enumerate(entries)]


def test_a_name_that_means_a_structure_exactly_has_its_codes_and_colour():
    kidney, adrenal = class_segments({1: "Left kidney", 4: "adrenal_gland_right"})
    usual = known_structure("kidney_left")
    assert (kidney.code, kidney.modifier, kidney.colour) == (usual.code, usual.modifier, usual.colour)
    assert (kidney.name, kidney.title, kidney.value) == ("left_kidney", "Left kidney", 1)
    assert adrenal.code == known_structure("adrenal_gland_right").code and adrenal.value == 4


@pytest.mark.parametrize(
    "name", ["kidneys_and_more", "kid", "tumour of kidney_left", "ventricle", "class 3", "kidney_l", "lesion"]
)
def test_a_name_that_is_only_like_one_has_no_code(name):
    (segment,) = class_segments({2: name})
    assert (segment.category, segment.code, segment.modifier, segment.region) == (None, None, None, None)


def test_a_table_names_colours_and_codes_before_the_models_own_words(tmp_path: Path):
    table = tmp_path / "names.json"
    concept = {"CodingSchemeDesignator": "99MINE", "CodeValue": "T1", "CodeMeaning": "Tooth one"}
    document = {
        "segments": [
            {
                "labelID": 1,
                "name": "tooth_1",
                "color": "#ff8000",
                "SegmentedPropertyTypeCodeSequence": concept,
            }
        ]
    }
    table.write_text(json.dumps(document), encoding="utf-8")
    first, second = class_segments({1: "liver", 2: "spleen"}, read_table(table))
    assert (first.name, first.code) == ("tooth_1", Code("99MINE", "T1", "Tooth one"))
    assert first.colour == pytest.approx((1.0, 128 / 255, 0.0)) and first.category is None
    assert second.code == known_structure("spleen").code


def test_a_stated_code_alone_brings_colour_and_group_of_what_it_means(tmp_path: Path):
    usual = known_structure("kidney_left")
    header = "value,name,Type_CodingScheme,Type_CodeValue,Type_CodeMeaning," + ",".join(
        f"TypeModifier_{part}" for part in ("CodingScheme", "CodeValue", "CodeMeaning")
    )
    row = f"5,Niere links,SCT,{usual.code.value},Niere,SCT,{LEFT.value},links"
    table = tmp_path / "names.csv"
    table.write_text(f"{header}\n{row}\n", encoding="utf-8")
    (segment,) = class_segments({5: "label_5"}, read_table(table))
    assert segment.colour == usual.colour and segment.group == usual.group
    assert segment.code.meaning == "Niere"  # as stated, in the table's own words
    assert structure_coded(usual.code) is not None  # without a side: the kidney of neither
    assert structure_coded(Code("99MINE", usual.code.value, "Kidney")) is None


def test_two_classes_of_one_name_stay_two():
    assert [one.name for one in class_segments({1: "Bone", 2: "bone"})] == ["bone", "bone_2"]
