"""Which modality a DICOM object is of, by what it says and by its SOP class."""

from __future__ import annotations

import re

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Storage classes that stand for one modality (PS3.4, B.5), without the common beginning.
_OF_CLASS = {
    "2": "CT", "2.1": "CT", "2.2": "CT", "4": "MR", "4.1": "MR", "4.2": "MR", "4.3": "MR", "4.4": "MR",
    "1": "CR", "1.1": "DX", "1.1.1": "DX", "1.2": "MG", "1.2.1": "MG", "1.3": "IO", "3.1": "US", "6.1": "US",
    "6.2": "US", "12.1": "XA", "12.1.1": "XA", "12.2": "RF", "12.2.1": "RF", "13.1.3": "MG", "20": "NM",
    "66.4": "SEG", "66.7": "SEG", "88.11": "SR", "88.22": "SR", "88.33": "SR", "128": "PT", "128.1": "PT",
    "130": "PT", "481.1": "RTIMAGE", "481.2": "RTDOSE", "481.3": "RTSTRUCT", "481.5": "RTPLAN",
    "11.1": "PR", "88.59": "KO", "66.1": "REG", "104.1": "DOC",
}  # fmt: skip
# Spellings that people and programs use for a defined term.
_SPELLINGS = {
    "MRI": "MR", "MRT": "MR", "NMR": "MR", "CAT": "CT", "CTS": "CT", "PET": "PT", "COMPUTED TOMOGRAPHY": "CT",
    "MAGNETIC RESONANCE": "MR",
}  # fmt: skip
# Defined terms of Modality (0008,0060), PS3.3 C.7.3.1.1.1; other words say nothing.
_TERMS = frozenset(
    re.findall(
        r"\S+",
        """ANN AR ASMT AU BDUS BI BMD CD CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG
        EOG EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM
        OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN
        RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF XA
        XAPROTOCOL XC""",
    )
)


def modality_of(stated: str, sop_class: str) -> tuple[str, bool]:
    """The modality, and whether the SOP class had to say it; ``""`` where neither does.

    >>> modality_of("ct", ""), modality_of("", "1.2.840.10008.5.1.4.1.1.4")
    (('CT', False), ('MR', True))
    """
    word = " ".join(stated.upper().split())
    word = _SPELLINGS.get(word, word)
    if word in _TERMS:
        return word, False
    tail = sop_class[len(_STORAGE) :] if sop_class.startswith(_STORAGE) else ""
    found = _OF_CLASS.get(tail, "")
    return (found, True) if found else (word, False)
