"""What the receiver takes: classes of images and encodings of pixels; what it refuses by name."""

from __future__ import annotations

VERIFICATION = "1.2.840.10008.1.1"
STORAGE = "1.2.840.10008.5.1.4.1.1."

IMAGES = {
    STORAGE + "2": "CT Image",
    STORAGE + "2.1": "Enhanced CT Image",
    STORAGE + "2.2": "Legacy Converted Enhanced CT Image",
    STORAGE + "4": "MR Image",
    STORAGE + "4.1": "Enhanced MR Image",
    STORAGE + "4.3": "Enhanced MR Color Image",
    STORAGE + "4.4": "Legacy Converted Enhanced MR Image",
}
# Negotiated all the same: who sends one reads why it is refused, where a context that is not accepted
# says nothing.
REFUSED = {
    STORAGE + "66.4": "Segmentation",
    STORAGE + "66.7": "Label Map Segmentation",
}

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_JPEG = "1.2.840.10008.1.2.4."
# No video, and nothing whose pixels lie elsewhere (JPIP).
TRANSFER_SYNTAXES = frozenset(
    (
        IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG,
        "1.2.840.10008.1.2.1.98",  # encapsulated, uncompressed
        "1.2.840.10008.1.2.5",  # RLE
        *(_JPEG + last for last in ("50", "51", "57", "70", "80", "81", "90", "91", "110",
                                    "201", "202", "203")),
    )
)  # fmt: skip


def chosen_syntax(sop_class: str, proposed: list[str]) -> str | None:
    """The first of the proposed transfer syntaxes that we take: the sender's order stands, so that what is
    compressed stays so. ``""`` where there is none, None where the class is not taken.
    """
    if sop_class == VERIFICATION:
        return next((one for one in proposed if one in (IMPLICIT_LITTLE, EXPLICIT_LITTLE)), "")
    if sop_class in IMAGES or sop_class in REFUSED:
        return next((one for one in proposed if one in TRANSFER_SYNTAXES), "")
    return None
