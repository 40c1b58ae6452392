"""Models that came over HTTP and wait to be added: a folder each below ``state/model-uploads``."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from .errors import PipelineError
from .files import remove_tree
from .home import Home

FOLDER = "model-uploads"
MODEL, LABELS = "model", "labels"  # the folder of each file, which keeps the name that its sender gave it
KINDS = (MODEL, LABELS)
_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True)
class ModelUpload:
    """The files of one upload: the model's zip, and a table of names where one was given."""

    id: str
    folder: Path
    model: Path
    labels: Path | None


def new_upload(home: Home) -> str:
    """A folder for one more; its id."""
    upload = uuid.uuid4().hex
    (home.state / FOLDER / upload).mkdir(mode=0o700, parents=True)
    return upload


def place_of(home: Home, upload: str) -> Path:
    """The folder of an upload that there is; raises ``request.invalid``."""
    folder = home.state / FOLDER / upload
    if not _ID.match(upload) or not folder.is_dir():
        raise PipelineError("request.invalid", "the upload is not there (any more); upload the model again")
    return folder


def upload_folder(home: Home, upload: str) -> ModelUpload:
    """The files of an upload; raises ``request.invalid`` where it is not there or has no model."""
    folder = place_of(home, upload)
    found = {kind: _file(folder / kind) for kind in KINDS}
    model = found[MODEL]
    if model is None:
        raise PipelineError("request.invalid", "the upload has no model")
    return ModelUpload(upload, folder, model, found[LABELS])


def _file(folder: Path) -> Path | None:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return files[0] if files else None


def forget_old(home: Home, seconds: float) -> None:
    """Remove what was uploaded longer ago and never added."""
    place = home.state / FOLDER
    for folder in place.iterdir() if place.is_dir() else ():
        try:
            old = time.time() - folder.stat().st_mtime > seconds
        except OSError:
            continue  # another one has removed it
        if old:
            remove_tree(folder)
