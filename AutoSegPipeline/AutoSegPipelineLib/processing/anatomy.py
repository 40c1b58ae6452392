"""What a structure's name alone tells: what people call it, its group, a plausible colour.

Only for segmentations that bring no more than names; an engine states its own.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable

from ..core.segmentation import Colour, Segment

#: What wraps the structures that one wants to see: fat, muscle, skin.
SOFT_GROUPS = ("muscles", "tissue")

# group -> words of which one makes a name a member; the first group that matches counts.
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("bones", (
        "bone", "bones", "rib", "ribs", "vertebra", "vertebrae", "sacrum", "sternum", "scapula", "clavicle",
        "clavicula", "humerus", "femur", "hip", "pelvis", "skull", "mandible", "spine", "tibia", "fibula",
        "radius", "ulna", "patella", "costal", "cartilages", "carpal", "tarsal", "tooth", "teeth", "coccyx",
    )),
    ("muscles", ("muscle", "muscles", "gluteus", "autochthon", "iliopsoas", "psoas", "quadriceps")),
    ("vessels", (
        "aorta", "artery", "arteries", "vein", "veins", "vena", "cava", "vessel", "vessels", "trunk",
        "carotid", "subclavian", "brachiocephalic", "iliac", "portal",
    )),
    ("tissue", ("body", "skin", "fat", "subcutaneous", "torso", "trunc")),
    ("organs", (
        "lung", "lungs", "airways", "airway", "trachea", "bronchus", "heart", "atrium", "ventricle", "atrial",
        "liver", "spleen", "kidney", "gallbladder", "pancreas", "stomach", "duodenum", "bowel", "colon",
        "intestine", "esophagus", "oesophagus", "bladder", "prostate", "uterus", "adrenal", "gland",
        "thyroid", "brain", "cord", "eye", "thymus", "lobe", "myocardium",
    )),
)  # fmt: skip
_COLOURS: tuple[tuple[tuple[str, ...], Colour], ...] = (
    (("lung", "lungs", "lobe"), (0.87, 0.62, 0.60)),
    (("airway", "airways", "trachea", "bronchus", "bronchi"), (0.62, 0.82, 0.90)),
    (("heart", "atrium", "ventricle", "myocardium", "atrial"), (0.74, 0.22, 0.20)),
    (("artery", "arteries", "aorta", "carotid"), (0.86, 0.16, 0.14)),
    (("vein", "vena", "veins", "portal"), (0.22, 0.38, 0.78)),
    (("liver",), (0.58, 0.27, 0.20)),
    (("spleen",), (0.52, 0.20, 0.33)),
    (("kidney", "kidneys"), (0.68, 0.33, 0.24)),
    (("gallbladder",), (0.42, 0.62, 0.27)),
    (("pancreas",), (0.90, 0.72, 0.42)),
    (("stomach",), (0.86, 0.55, 0.47)),
    (("esophagus", "oesophagus"), (0.83, 0.60, 0.46)),
    (("colon", "bowel", "duodenum", "intestine"), (0.80, 0.58, 0.44)),
    (("bladder",), (0.88, 0.80, 0.50)),
    (("adrenal", "gland", "thyroid", "prostate"), (0.89, 0.66, 0.33)),
    (("brain", "cord"), (0.93, 0.84, 0.66)),
    (("fat", "subcutaneous"), (0.94, 0.84, 0.55)),
    (("skin", "body", "torso"), (0.87, 0.70, 0.58)),
    (("costal", "cartilages"), (0.68, 0.82, 0.86)),
)
_GROUP_COLOURS: dict[str, Colour] = {
    "bones": (0.92, 0.87, 0.74),
    "muscles": (0.72, 0.32, 0.28),
    "vessels": (0.86, 0.16, 0.14),
}


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.casefold())


def readable_title(name: str) -> str:
    """``lung_upper_lobe_left`` -> ``Left lung upper lobe``; a text with spaces stays as it is."""
    if " " in name.strip():
        return name.strip()
    words = [word for word in re.split(r"[_\s]+", name) if word]
    for side in ("left", "right"):
        if side in words[1:]:
            words.remove(side)
            words.insert(0, side)
    text = " ".join(words) or name
    text = re.sub(r"^vertebrae (?=[CTLS]\d)", "vertebra ", text)
    return text[:1].upper() + text[1:]


def guess_group(name: str) -> str:
    """The glTF parent for a structure of this name; ``other`` when nothing is known."""
    words = set(_words(name))
    for group, members in _GROUPS:
        if words.intersection(members):
            return group
    return "other"


def distinct_colour(number: int) -> Colour:
    """A colour that differs from those of the neighbouring numbers (golden-angle hues)."""
    hue = (0.08 + number * 0.618033988749895) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(
        hue, (0.55, 0.42, 0.68)[number % 3], (0.86, 0.74, 0.92)[number // 3 % 3]
    )
    return (round(red, 4), round(green, 4), round(blue, 4))


def likely_colour(name: str, number: int) -> Colour:
    """A colour as in an atlas where the name is known, varied a little by ``number``."""
    words = set(_words(name))
    base = next((colour for known, colour in _COLOURS if words.intersection(known)), None)
    base = base or _GROUP_COLOURS.get(guess_group(name))
    if base is None:
        return distinct_colour(number)
    shade = 1.0 + 0.05 * ((number * 7) % 5 - 2) / 2.0
    red, green, blue = (round(min(channel * shade, 1.0), 4) for channel in base)
    return (red, green, blue)


def is_soft(segment: Segment) -> bool:
    """Whether ``segment`` covers others: it is the first to give up triangles."""
    return segment.group in SOFT_GROUPS


def hidden_at_first(segments: Iterable[Segment]) -> set[str]:
    """The names of the soft tissue, which a viewer shows on request only; none when there is nothing else."""
    all_of_them = list(segments)
    soft = {segment.name for segment in all_of_them if is_soft(segment)}
    return soft if len(soft) < len(all_of_them) else set()
