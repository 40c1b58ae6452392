"""What a person thinks of a result: a mark, a remark, and whether they are about the files of now."""

from __future__ import annotations

import unicodedata
from typing import Mapping, Sequence

from .clock import rfc3339
from .errors import PipelineError

GOOD, BAD, NONE = "good", "bad", ""
MARKS = (GOOD, BAD, NONE)
MOST_CHARACTERS = 2000
# A file that changes when the segmentation does; the first of these that the case has is looked at.
_TELLING = ("labels", "seg", "gltf")


def check(mark: str, remark: str) -> None:
    """Raise ``request.invalid`` for a mark that there is not, and for a remark that is too long."""
    if mark not in MARKS:
        raise PipelineError("request.invalid", f"a mark is {GOOD}, {BAD} or nothing, not {mark!r}")
    if len(remark) > MOST_CHARACTERS:
        raise PipelineError("request.invalid", f"a remark has at most {MOST_CHARACTERS} characters")


def review_of(
    mark: str, remark: str, by: str, now: float, outputs: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    """The value of a job's field ``review``; empty where neither mark nor remark is given.

    ``outputs`` are the job's files that ``by`` has looked at, ``now`` is in seconds since 1970.
    """
    text = " ".join("".join(_printable(letter) for letter in remark).split())
    if not mark and not text:
        return {}
    return {
        "mark": mark,
        "remark": text,
        "by": by,
        "at": rfc3339(now),
        "of": seen(outputs),
        "outdated": False,
    }


def after_retry(review: Mapping[str, object], outputs: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """``review`` beside new files: it stays, and is outdated where the segmentation is another one."""
    return {**review, "outdated": review["of"] != seen(outputs)} if review else {}


def seen(outputs: Sequence[Mapping[str, object]]) -> str:
    """The hash of the file that says what was segmented; empty where there is none."""
    hashes = {str(one["kind"]): str(one["sha256"]) for one in outputs}
    return next((hashes[kind] for kind in _TELLING if kind in hashes), "")


def _printable(letter: str) -> str:
    return " " if unicodedata.category(letter).startswith("C") else letter
