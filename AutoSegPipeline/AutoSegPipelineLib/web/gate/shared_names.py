"""A result as a share link shows it whose sharer did not want names to be shown.

The name of a file often tells of a patient. It stands in the job, in the names of its files, in the
manifest and the report, and in glTF files as the name of the scene.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace

from ...core.job import Job

_NAMING = ("manifest", "report")  # kinds of files that hold names in their text: a link leaves them out
NAMED_SCENES = (".glb", ".gltf")
_JSON_CHUNK = 20  # bytes in front of the JSON of a .glb: its header, then length and type of the chunk


def without_names(job: Job) -> Job:
    """A copy of ``job`` with names that tell nothing; its files are called after its id."""
    stem = f"result-{job.id[:8]}"
    shown = [one for one in job.outputs if one["kind"] not in _NAMING]
    return replace(
        job,
        name=stem,
        label=stem,
        input="",
        submitted_by="",
        message="",
        error=None,
        visible_to=[],
        series_key=None,
        review={},
        outputs=[{**one, "name": stem + str(one["name"])[len(job.name) :]} for one in shown],
        warnings=[{**one, "message": _plain(one["message"], job, stem)} for one in job.warnings],
    )


def real_name(job: Job, name: str) -> str:
    """The name of the file of ``job`` that :func:`without_names` calls ``name``; empty for none."""
    ending = name[len(f"result-{job.id[:8]}") :]
    shown = without_names(job).outputs
    return job.name + ending if any(one["name"] == name for one in shown) else ""


def _plain(text: str, job: Job, stem: str) -> str:
    for name in sorted({job.label, job.label.rpartition("/")[2], job.name}, key=len, reverse=True):
        text = text.replace(name, stem) if name else text
    return text


def unnamed_scene(data: bytes, job: Job) -> bytes:
    """A ``.glb`` or ``.gltf`` of ``job`` with ``result`` for the name of its scene; as long as before."""
    end = len(data)
    if data[:4] == b"glTF":
        end = _JSON_CHUNK + struct.unpack_from("<I", data, 12)[0]
    head = data[:end]
    for name in {job.label, job.name}:
        for plain in (True, False):
            quoted = json.dumps(name, ensure_ascii=plain).encode()
            other = b"result"[: len(quoted) - 2].ljust(len(quoted) - 2)
            head = head.replace(quoted, b'"' + other + b'"')
    return head + data[end:]
