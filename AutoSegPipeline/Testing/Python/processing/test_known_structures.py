"""The table of structures: every code means its structure, by dictionaries that others keep."""

from __future__ import annotations

import csv
import itertools
import json
import re
import subprocess
from functools import lru_cache

import numpy as np
import pytest
import support.tiny_totalsegmentator as totalsegmentator
from AutoSegPipelineLib.processing.engines.structures import STRUCTURES
from AutoSegPipelineLib.processing.known_structures import (
    CATEGORIES,
    SIDES,
    TABLE,
    known_structure,
    structure_called,
)
from AutoSegPipelineLib.processing.phantom import write_nifti
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from AutoSegPipelineLib.processing.volume import Volume
from support.processing import grid
from support.skeleton import ROOT

ROWS = list(csv.DictReader(TABLE.open(encoding="utf-8", newline="")))
CODED = [row for row in ROWS if row["code"]]
# Concepts that DICOM's dictionary lacks, as TotalSegmentator publishes them.
PUBLISHED = {
    "244849004": "Deep muscle of back", "181674001": "Gluteus maximus muscle",
    "78333006": "Gluteus medius muscle", "75297007": "Gluteus minimus muscle",
    "68455001": "Iliopsoas muscle", "74281007": "Myocardium",
    "83936004": "Carpus", "53884002": "Metatarsal", "28641004": "Phalanx structure",
    "110765007": "Portal vein and splenic vein", "65985001": "S1 vertebra", "3572006": "Vertebral body",
    "67769002": "Subcutaneous fatty tissue", "48535007": "First rib", "78247007": "Second rib",
    "25888004": "Third rib", "25523003": "Fourth rib", "15339008": "Fifth rib", "59558009": "Sixth rib",
    "24915002": "Seventh rib", "5953002": "Eighth rib", "22565002": "Ninth rib", "77644006": "Tenth rib",
    "58830002": "Eleventh rib", "43993008": "Twelfth rib",
}  # fmt: skip
# Words of a class name, and the words that the dictionaries have for the same.
SAME = {
    "vessels": "vessel blood", "fat": "fatty tissue", "vertebrae": "vertebra vertebral",
    "ventricular": "ventricle", "vena": "vein", "veins": "vein", "arteries": "artery", "trunc": "trunk",
    "torso": "trunk", "nodules": "nodule",
    "lesions": "lesion", "phalanges": "phalanx", "feet": "foot", "tarsal": "tarsus", "carpal": "carpus",
    "bronchia": "bronchus", "extremities": "extremity", "autochthon": "deep back", "clavicula": "clavicle",
    "bowel": "intestine", "scalene": "scalenous", "brainstem": "brain stem", "insular": "insula",
    "cartilages": "cartilage", "liver": "hepatic couinaud", "tumor": "neoplasm", "airways": "airway",
    "pleural": "pleura", "cavity": "chest", "thoracic": "chest", "junction": "aortic", "lens": "lenses",
    "jawbone": "mandible maxilla", "hemorrhage": "bleeding", "intracerebral": "brain", "eyeball": "eye",
    # Anatomists' names: the truncus coeliacus is the coeliac axis, the horns have two names each.
    "celiac": "axis", "atrial": "auricular", "frontal": "anterior", "occipital": "posterior",
    "temporal": "inferior", "horn": "lateral ventricle", "ventricle": "brain",
    "upper": "permanent maxillary maxilla", "lower": "permanent mandibular mandible",
    **dict(zip("12345678", ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"))),
}  # fmt: skip
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
)  # fmt: skip
RIBS = {f"rib {number}": ordinal for number, ordinal in enumerate(ORDINALS, 1)}
# Left out where the meaning says it otherwise: the heart's atrium, the body's trunk, the insula's cortex.
UNSAID = {"heart", "body", "cortex", "portal", "trunk", "urinary", "lung", "fdi", "gland", "implant"}
# What a meaning may say beyond the name.
BEYOND = {
    "structure", "body", "of", "bone", "muscle", "the", "and", "common", "tooth", "hepatic", "artery",
    "joint",
    "gland",
}  # fmt: skip
TASK_DISTANCE = 8.0


@lru_cache(maxsize=1)
def dictionary() -> dict[str, set[str]]:
    """Every meaning of each SNOMED CT code of pydicom's dictionary."""
    # The public `codes.SCT` raises for a keyword with two codes in pydicom 2.4.
    from pydicom.sr._concepts_dict import concepts

    known: dict[str, set[str]] = {}
    for entry in concepts["SCT"].values():
        for value, (meaning, *_) in entry.items():
            known.setdefault(value, set()).add(meaning)
    return known


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.casefold()))


@pytest.mark.parametrize("row", CODED, ids=lambda row: row["structure"])
def test_a_code_is_in_a_dictionary_with_its_meaning_and_means_the_structure(row):
    if row["source"]:
        assert row["code"] not in dictionary(), "DICOM has a word for it"
        meanings = {PUBLISHED[row["code"]]}
    else:
        meanings = dictionary()[row["code"]]
    assert row["meaning"] in meanings
    said = {word for meaning in meanings for word in words(meaning)}
    if row["region"]:
        assert row["region_meaning"] in dictionary()[row["region"]]
        said |= words(row["region_meaning"])
    named = row["structure"].casefold().split("_")
    number = RIBS.get(f"rib {named[-1]}", "") if named[0] == "rib" else SAME.get(named[-1], "")
    accepted = {word: {word, *SAME.get(word, "").split()} for word in named}
    accepted[named[-1]] |= {number}
    sided = {row["modifier"], row["region_modifier"]}
    missing = [w for w in named if not accepted[w] & (said | sided) and w not in UNSAID and "fdi" not in w]
    assert missing == [], said
    extra = words(row["meaning"]) - BEYOND - set().union(*accepted.values())
    assert extra == set(), named


def test_what_comes_from_the_second_dictionary_is_a_short_list_of_well_formed_numbers():
    published = {row["code"]: row["meaning"] for row in CODED if row["source"]}
    assert published == PUBLISHED
    assert {row["source"] for row in CODED} == {"", "TotalSegmentator"}
    assert [row["code"] for row in CODED if verhoeff(row["code"])] == []
    assert verhoeff("39607009") and not verhoeff("39607008")


def verhoeff(number: str) -> int:
    """0 for a SNOMED CT identifier whose check digit is right."""
    times = [
        [(a + b) % 5 + 5 * ((a // 5 + b // 5) % 2) if a < 5 else 0 for b in range(10)] for a in range(10)
    ]
    for a, b in itertools.product(range(10), repeat=2):  # the dihedral group of the pentagon
        turn = a + b if a < 5 else a - b
        times[a][b] = turn % 5 + 5 * ((a >= 5) != (b >= 5))
    shift = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(reversed(number)):
        moved = int(digit)
        for _ in range(place % 8):
            moved = shift[moved]
        check = times[check][moved]
    return check


def test_sides_and_categories_are_concepts_of_the_dictionary():
    for code in SIDES.values():
        assert code.meaning in dictionary()[code.value]
    for meaning, value in CATEGORIES.items():
        assert meaning in dictionary()[value]
    for row in CODED:
        named = set(row["structure"].split("_")) & set(SIDES)
        stated = {row["modifier"], row["region_modifier"]} - {""} | words(row["meaning"]) & set(SIDES)
        # A tooth and a liver segment are sided by what they are.
        assert named == stated or (not named and stated <= words(row["meaning"])), row["structure"]


def lab(row) -> np.ndarray:
    """CIELab (D65) of a row's colour."""
    srgb = np.array([int(row["colour"][at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz / (0.95047, 1, 1.08883))
    return np.array((116 * y - 16, 500 * (x - y), 200 * (y - z)))


def too_alike(rows) -> list[tuple[str, str]]:
    colours = {row["structure"]: lab(row) for row in rows}
    return [
        (a, b)
        for a, b in itertools.combinations(colours, 2)
        if np.linalg.norm(colours[a] - colours[b]) < TASK_DISTANCE - 0.05
    ]


def test_ribs_vertebrae_and_both_sides_can_be_told_apart_by_colour():
    spine = [row for row in ROWS if re.match("rib_|vertebrae_[CTLS]|sternum|costal|sacrum", row["structure"])]
    assert len(spine) > 50 and too_alike(spine) == []
    for row in ROWS:
        other = row["structure"].replace("left", "right")
        pair = [one for one in ROWS if one["structure"] in (row["structure"], other)]
        assert too_alike(pair) == []
    assert len({row["colour"] for row in ROWS}) == len(ROWS)


def test_the_engines_own_structures_have_the_same_colours_and_codes():
    both = [name for name in STRUCTURES if known_structure(name)]
    assert len(both) > 8
    for name in both:
        own, known = STRUCTURES[name], known_structure(name)
        assert np.allclose(own.colour, known.colour, atol=1 / 500), name
        assert (own.category, own.code, own.modifier) == (known.category, known.code, known.modifier)


@pytest.mark.parametrize(
    ("name", "code", "side"),
    [
        ("left_kidney", "64033007", "Left"),
        ("Kidney_Right", "64033007", "Right"),
        ("kidney", "64033007", None),
        ("adrenal_gland", "23451007", None),
        ("left_lung_upper_lobe", "45653009", "Left"),
        ("rib_7_right", "24915002", "Right"),
        ("vertebrae_L1", "66794005", None),
    ],
)
def test_a_name_of_any_origin_finds_its_structure(name, code, side):
    found = structure_called(name)
    assert (found.code.value, found.modifier and found.modifier.meaning) == (code, side)


def test_a_name_that_means_several_things_or_nothing_known_has_no_code():
    for name in ("ventricle", "head", "bridge", "left", "right", "", "kidney_left_right", "tumour"):
        assert structure_called(name) is None, name
    assert known_structure("masseter_left").code is None  # known, and in no dictionary
    assert known_structure("masseter_left").colour and known_structure("masseter_left").group == "muscles"


# What TotalSegmentator's own sample holds.
SAMPLE = [
    "spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach", "pancreas",
    "adrenal_gland_right", "adrenal_gland_left", "lung_upper_lobe_left", "lung_lower_lobe_left",
    "lung_middle_lobe_right", "lung_lower_lobe_right", "small_bowel", "duodenum", "colon",
    "vertebrae_L2", "vertebrae_L1", "vertebrae_T12", "vertebrae_T11", "aorta", "inferior_vena_cava",
    "portal_vein_and_splenic_vein", "spinal_cord", "autochthon_left", "autochthon_right",
    "iliopsoas_left", "iliopsoas_right", "costal_cartilages",
    *(f"rib_{side}_{number}" for side in SIDES for number in range(7, 13)),
]  # fmt: skip


def test_a_label_map_with_these_names_gets_codes_sides_and_colours(tmp_path):
    on = grid((9, 8, 7))
    array = np.zeros(on.array_shape, np.uint8)
    array.reshape(-1)[: len(SAMPLE)] = range(1, len(SAMPLE) + 1)
    write_nifti(Volume(array, on), tmp_path / "m.nii")
    (tmp_path / "m.csv").write_text(
        "value,name\n" + "".join(f"{n},{name}\n" for n, name in enumerate(SAMPLE, 1)), encoding="utf-8"
    )
    read = read_segmentation(tmp_path / "m.nii", tmp_path / "m.csv")
    assert [s.name for s in read.segments] == SAMPLE
    for segment in read.segments:
        assert segment.code is not None and segment.category is not None, segment.name
        side = (set(segment.name.split("_")) & set(SIDES) or {""}).pop()
        sided = side.capitalize() or None
        assert (segment.modifier.meaning if segment.modifier else None) == (
            None if "middle_lobe" in segment.name else sided
        )
        assert segment.colour == known_structure(segment.name).colour
    assert len({s.colour for s in read.segments}) == len(SAMPLE)


def test_the_documentation_says_how_many_have_a_code():
    text = (ROOT / "docs" / "totalsegmentator.md").read_text(encoding="utf-8")
    sources = [row["source"] for row in CODED]
    assert f"{len(CODED)} of the {len(ROWS)} classes" in text
    assert f"{sources.count('')} by DICOM" in text and f"{len(CODED) - sources.count('')} by" in text


@totalsegmentator.needs_package
def test_the_table_has_every_class_of_the_package_and_its_tasks_use_different_colours():
    script = "import json, totalsegmentator.map_to_binary as m; print(json.dumps(m.class_map))"
    done = subprocess.run([totalsegmentator.PYTHON, "-c", script], capture_output=True, text=True, check=True)
    by_name = {row["structure"]: row for row in ROWS}
    tasks = {
        task: list(classes.values()) for task, classes in json.loads(done.stdout.splitlines()[-1]).items()
    }
    assert {name for classes in tasks.values() for name in classes} == set(by_name)
    for task, classes in tasks.items():
        assert too_alike([by_name[name] for name in classes]) == [], task
