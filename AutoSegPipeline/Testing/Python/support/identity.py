"""A patient for tests, and every place where she is still named."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Iterator

# What a header says of her; each value is in no other word of a result.
WHO = {
    "PatientName": "Mustermann^Erika^^Dr.", "PatientID": "KIS-4711", "PatientBirthDate": "19580314",
    "AccessionNumber": "ACC90210", "ReferringPhysicianName": "Hausarzt^Peter", "StudyID": "SID77",
    "InstitutionName": "Klinikum Nord", "OperatorsName": "Kraftmeier^Anna", "PatientComments": "Geheimnis",
    "StudyDescription": "Kontrolle nach Dr. Hausarzt",
}  # fmt: skip
WORDS = ("mustermann", "erika", "kis-4711", "19580314", "acc90210", "hausarzt", "sid77", "klinikum",
         "kraftmeier", "geheimnis")  # fmt: skip


def named_in(data: bytes) -> list[str]:
    """The words of her that ``data`` holds, as UTF-8 or UTF-16; compressed data is looked into."""
    found = {
        word
        for word in WORDS
        for text in (word.encode(), word.encode("utf-16-le"))
        if text in data.lower()
    }  # fmt: skip
    return sorted(found)


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The bytes of a file, and of what is packed in it, each with its name."""
    data = path.read_bytes()
    yield path.name, data
    if data[:2] == b"\x1f\x8b":
        yield path.name + " unpacked", gzip.decompress(data)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield f"{path.name}: {name}", archive.read(name)


def leaks(*folders: Path, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Files below ``folders`` whose name or content names her; ``leave_out`` are names of folders."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            place = path.relative_to(folder)
            if any(part in leave_out for part in place.parts):
                continue
            if named_in(str(place).encode()):
                found.append(f"the name {place}")
            if path.is_file():
                found += [f"{name}: {words}" for name, data in contents(path) if (words := named_in(data))]
    return found
