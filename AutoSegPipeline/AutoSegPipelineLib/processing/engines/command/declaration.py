"""One declared program: the fields of its object in ``engines.json``, checked when they are read."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Mapping, Tuple

from ....core.engines import BY_NAME
from ....core.errors import PipelineError
from ....core.specs import QUALITIES, did_you_mean
from .placeholders import check_words

LABELS, MASKS, SEG_NRRD, DICOM_SEG = "labels", "masks", "seg.nrrd", "dicom-seg"
#: What a program may write -> where its result is when the declaration does not say.
WRITES = {
    LABELS: "out/labels.nii.gz", MASKS: "out/*.nii.gz", SEG_NRRD: "out/labels.seg.nrrd",
    DICOM_SEG: "out/labels.dcm",
}  # fmt: skip
#: Endings of the scan that a program gets.
SCANS = (".nii.gz", ".nii", ".nrrd", ".mha")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PLACE = re.compile(r"[A-Za-z0-9_*?][A-Za-z0-9_.*?@+-]*(/[A-Za-z0-9_*?][A-Za-z0-9_.*?@+-]*)*")
_GROUPS = (("percent",), ("fraction",), ("done", "total"))

Words = Tuple[str, ...]


@dataclass(frozen=True)
class Declaration:
    """A program as an engine; ``docs/engines-by-command.md`` describes each field.

    ``command`` and ``version`` are a program and its arguments. ``input`` and ``output`` are places in the
    case's own folder, with slashes; ``output`` may be a pattern. ``device`` and ``quality`` give the words
    for each of ours. ``names`` is a table's path, or the table itself.
    """

    name: str
    command: Words
    folder: Path  # of engines.json: relative paths start there
    title: str = ""
    modality: str = ""
    input: str = "in/scan.nii.gz"
    writes: str = LABELS
    output: str = ""
    names: Path | Mapping[str, object] | None = None
    device: Mapping[str, Words] = field(default_factory=dict)
    quality: Mapping[str, Words] = field(default_factory=dict)
    progress: re.Pattern[str] | None = None
    licence: str = ""
    time_limit_minutes: float = 60.0
    space_limit_gb: float = 32.0
    version: Words = ()
    stop: Words = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    rank: int = 0
    fingerprint: str = ""

    @property
    def uses(self) -> str:
        """All words of the command in one text, to look for placeholders."""
        return "\0".join(self.command)


def declaration(name: str, given: object, folder: Path) -> Declaration:
    """The declaration ``given`` (JSON values) of the engine ``name``.

    ``folder`` holds the file. Raises ``engine.declaration_invalid`` naming engine and field.
    """
    reader = _Reader(name, folder)
    if not NAME.fullmatch(name) or name == "auto" or name in BY_NAME:
        taken = "is an engine of this program" if name in BY_NAME or name == "auto" else "cannot be a name"
        raise reader.error(f"the name {taken} (small letters, digits, - and _)")
    if not isinstance(given, Mapping):
        raise reader.error("is not an object")
    known = [one.name for one in fields(Declaration) if one.name not in ("name", "folder", "fingerprint")]
    for key in given:
        if key not in known:
            raise reader.error(f"there is no field {key!r}{did_you_mean(key, known)}")
    if "command" not in given:
        raise reader.error("the field command is missing")
    values = {key: getattr(reader, key)(value) for key, value in given.items()}
    text = json.dumps(given, sort_keys=True, ensure_ascii=True)
    found = Declaration(name, folder=folder, fingerprint=hashlib.sha256(text.encode()).hexdigest(), **values)
    return reader.complete(found)


class _Reader:
    """One method for each field of the file; each raises ``engine.declaration_invalid``."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    def error(self, why: str) -> PipelineError:
        return PipelineError("engine.declaration_invalid", f"engines.json: {self._name}: {why}")

    def complete(self, found: Declaration) -> Declaration:
        """What concerns several fields."""
        check_words(found.command, self.error, device=found.device, quality=found.quality)
        for words in (found.version, found.stop):
            check_words(words, self.error, device=None, quality=None)
        if not any(word in found.uses for word in ("{input}", "{input_folder}", "{folder}")):
            raise self.error("command: the program is not given the scan: {input} stands nowhere in it")
        for key in ("device", "quality"):
            if getattr(found, key) and f"{{{key}}}" not in found.uses:
                raise self.error(f"{key}: {{{key}}} stands nowhere in the command")
        if found.writes == MASKS and isinstance(found.names, Path):
            raise self.error("names: masks are named by their files; give an object {file: structure}")
        if found.writes == MASKS and isinstance(found.names, Mapping):
            for file, called in found.names.items():
                if not isinstance(called, str):
                    raise self.error(
                        f"names: {file}: {json.dumps(called)[:60]} is not the name of a structure"
                    )
        return found

    def command(self, value: object) -> Words:
        return self._words("command", value)

    def version(self, value: object) -> Words:
        return self._words("version", value)

    def stop(self, value: object) -> Words:
        return self._words("stop", value)

    def title(self, value: object) -> str:
        return self._text("title", value)

    def licence(self, value: object) -> str:
        return self._text("licence", value)

    def modality(self, value: object) -> str:
        text = self._text("modality", value).upper()
        if text not in ("", "CT", "MR", "PT"):
            raise self.error(f"modality: {text!r} is none of CT, MR, PT")
        return text

    def input(self, value: object) -> str:
        text = self._place("input", value)
        if "*" in text or "?" in text or not text.endswith(SCANS):
            raise self.error(f"input: {text!r} is no place of a scan ({', '.join(SCANS)})")
        return text

    def output(self, value: object) -> str:
        return self._place("output", value)

    def writes(self, value: object) -> str:
        if value not in WRITES:
            raise self.error(
                f"writes: {value!r} is none of {', '.join(WRITES)}{did_you_mean(str(value), WRITES)}"
            )
        return str(value)

    def names(self, value: object) -> Path | Mapping[str, object]:
        if isinstance(value, Mapping) and value:
            return value
        path = self._folder / self._text("names", value)
        if not path.is_file():
            raise self.error(f"names: {path} is not there")
        return path

    def device(self, value: object) -> dict[str, Words]:
        return self._table("device", value, ("auto", "cpu", "gpu", "mps"))

    def quality(self, value: object) -> dict[str, Words]:
        return self._table("quality", value, QUALITIES)

    def progress(self, value: object) -> re.Pattern[str]:
        try:
            pattern = re.compile(self._text("progress", value))
        except re.error as error:
            raise self.error(f"progress: not a regular expression: {error}") from None
        if not any(set(names) <= set(pattern.groupindex) for names in _GROUPS):
            raise self.error(
                "progress: needs the group percent, fraction, or done and total: (?P<percent>...)"
            )
        return pattern

    def time_limit_minutes(self, value: object) -> float:
        return self._number("time_limit_minutes", value, 0.0, 10080.0)

    def space_limit_gb(self, value: object) -> float:
        return self._number("space_limit_gb", value, 0.0, 1e6)

    def rank(self, value: object) -> int:
        return int(self._number("rank", value, -1000.0, 1000.0))

    def environment(self, value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise self.error("environment: is not an object")
        bad = [key for key in value if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(key))]
        if bad:
            raise self.error(f"environment: {bad[0]!r} cannot be the name of a variable")
        return {str(key): self._text(f"environment {key}", text) for key, text in value.items()}

    def weights(self, value: object) -> tuple[Path, ...]:
        paths = value if isinstance(value, list) else [value]
        return tuple(self._folder / self._text("weights", path) for path in paths)

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise self.error(f"{key}: {json.dumps(value)[:60]} is not text")
        return value.strip()

    def _number(self, key: str, value: object, above: float, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not above < value <= most:
            raise self.error(
                f"{key}: {json.dumps(value)[:60]} is not a number above {above:g}, up to {most:g}"
            )
        return float(value)

    def _words(self, key: str, value: object) -> Words:
        if not isinstance(value, list) or not value:
            raise self.error(f"{key}: is not a list of words, the program first: nothing runs in a shell")
        return tuple(self._text(key, word) for word in value)

    def _place(self, key: str, value: object) -> str:
        text = self._text(key, value)
        if not _PLACE.fullmatch(text):
            raise self.error(f"{key}: {text!r} is no place in the case's folder, such as out/labels.nii.gz")
        return text

    def _table(self, key: str, value: object, known: tuple[str, ...]) -> dict[str, Words]:
        if not isinstance(value, Mapping):
            raise self.error(f"{key}: is not an object")
        for word in value:
            if word not in known:
                raise self.error(f"{key}: {word!r} is none of {', '.join(known)}{did_you_mean(word, known)}")
        return {
            str(word): (self._text(key, words),) if isinstance(words, str) else self._list(key, words)
            for word, words in value.items()
        }

    def _list(self, key: str, value: object) -> Words:
        if not isinstance(value, list):
            raise self.error(f"{key}: {json.dumps(value)[:60]} is neither text nor a list of words")
        return tuple(self._text(key, word) for word in value)
