"""``state/incoming/<id>/``: how bytes wait between a door and the pipeline.

``intent.json`` says what was meant before a byte moves; ``input/`` holds the
bytes. The pipeline makes the row and the folder itself. The command line and the child that
draws the example fill ``<id>.part/``, under a lock, and rename the folder when it is complete: what has
no ``.part`` is complete. Doors that receive files use ``intake/received/handover.py``.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from . import lock
from .dicomdir import is_dicomdir, listed_files
from .errors import PipelineError
from .files import fsync_file, fsync_folder, is_link, read_json, remove_tree, write_json
from .home import Home
from .safe_open import local_name
from .table_files import TABLE_ENDINGS, tables_beside

# Endings that readers recognise a format by; longest first.
ENDINGS = (
    ".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".raw.gz", ".raw", ".zraw",
    ".img.gz", ".img", ".hdr.gz", ".hdr", ".dcm", ".dicom", ".ima", ".zip", ".options.json", *TABLE_ENDINGS,
)  # fmt: skip
# Headers whose data may lie in a second file beside them.
DETACHED_HEADERS = (".nhdr", ".mhd", ".hdr", ".hdr.gz")


@dataclass(frozen=True)
class IntentFile:
    """One file: where it came from (None when only its bytes came), its name below ``input/``."""

    name: str
    source: str | None
    original: str  # relative name as the source had it
    size: int = 0
    mtime_ns: int = 0


@dataclass
class Intent:
    """What a door meant to do with some bytes."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    door: str = "submit"
    by: str = ""
    input: str = ""
    label: str = ""
    name: str = ""  # stem that the caller wishes
    options: dict[str, Any] = field(default_factory=dict)  # the caller's layer
    file_options: dict[str, object] = field(default_factory=dict)  # layer of files beside the scan
    folder_options: dict[str, object] = field(default_factory=dict)  # what of it the folder's file said
    expect: str = "scan"  # or "segmentation"; "auto": its content says which
    only: list[str] = field(default_factory=list)  # labels; the archive's other cases are other jobs
    labels: str | None = None  # path of the caller's label table, or a task of TotalSegmentator
    files: list[IntentFile] = field(default_factory=list)
    consume: bool = False  # the sources belong to the inbox and go away
    container: bool = False  # a folder or archive that may hold several scans
    out: str = ""
    series_key: str | None = None
    supersedes: str | None = None
    version: int = 1
    parent: str | None = None
    visible_to: list[str] = field(default_factory=list)  # accounts that see the job as if it were their own
    warnings: list[dict[str, str]] = field(default_factory=list)  # `code` and `message`, shown with the job
    passed_by: list[str] = field(default_factory=list)  # files beside it that are no scan and were left
    refusal: dict[str, str] | None = None  # decided at the door: taken only to be archived
    # [path, staged name, given name] of an earlier version's slices; without the last in intents of 0.1
    union: list[list[str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Intent:
        known = {f.name for f in fields(cls)}
        values = {key: item for key, item in value.items() if key in known}
        values["files"] = [IntentFile(**item) for item in values.get("files", [])]
        return cls(**values)


def folder_of(home: Home, job_id: str) -> Path:
    """Where the bytes of ``job_id`` wait and stay until its end."""
    return home.incoming / job_id


def input_of(home: Home, job_id: str) -> Path:
    """The folder of the staged files themselves."""
    return folder_of(home, job_id) / "input"


def write_intent(home: Home, intent: Intent, durable: bool = True) -> list[str]:
    """Make the folder and the intent durable; nothing else has happened yet.

    Without ``durable`` the caller syncs the paths of the answer and ``home.incoming``
    before it goes on: many at once in another process take a fraction of the time.
    """
    folder = folder_of(home, intent.id)
    (folder / "input").mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(folder / "intent.json", intent.to_dict(), durable)
    if durable:
        fsync_folder(home.incoming)
    return [str(folder / "intent.json"), str(folder)]


def read_intent(folder: Path) -> Intent | None:
    """The intent in ``folder``, or None where there is no complete one."""
    try:
        return Intent.from_dict(read_json(folder / "intent.json"))
    except (OSError, ValueError, TypeError):
        return None


def given_names(intent: Intent) -> dict[str, str]:
    """The names that the source gave the files, by their staged names."""
    given = {item.name: item.original or item.name for item in intent.files}
    for path, name, *original in intent.union:
        given[name] = original[0] if original else os.path.basename(path)
    return given


def ending_of(name: str) -> str:
    """The format ending of ``name`` in lower case, ``.nii.gz`` as one; empty for none known."""
    low = name.lower()
    return next((ending for ending in ENDINGS if low.endswith(ending)), "")


def safe_name(original: str, number: int, keep: bool = False) -> str:
    """A short ASCII name for a staged file.

    With ``keep`` the base name stays as it is where it can, because a header
    names its data file.
    """
    base = os.path.basename(original.replace("\\", "/"))
    if keep:
        return base
    return f"{number:06d}{ending_of(base)}"


def staged_files(path: Path) -> Iterator[tuple[Path, str]]:
    """(file, name relative to the folder's parent) of a file or of all files below a folder."""
    if not path.is_dir():
        yield path, path.name
        return
    for folder, below, names in os.walk(path):
        below[:] = sorted(d for d in below if not is_link(Path(folder) / d))
        for name in sorted(names):
            found = Path(folder) / name
            if not is_link(found):
                yield found, found.relative_to(path.parent).as_posix()


def plan(path: Path, *, companions: tuple[Path, ...] = (), **about: Any) -> Intent:
    """The intent for ``path`` (a file or a folder) of a caller who keeps it.

    With ``expect="segmentation"`` and no ``labels`` the tables of names beside a label map come along.
    With a DICOMDIR the files that it lists come along. Raises ``input.missing`` and ``input.link``.
    """
    path = Path(os.path.abspath(path))
    if is_link(path):
        raise PipelineError("input.link", f"{path} is a link")
    if not path.exists():
        raise PipelineError("input.missing", f"{path} does not exist")
    listed = listed_files(path) if path.is_file() and is_dicomdir(path) else []
    container = path.is_dir() or ending_of(path.name) == ".zip" or bool(listed)
    if about.get("expect") == "segmentation" and not about.get("labels") and not path.is_dir():
        companions += tables_beside(path)
    sources = [*staged_files(path), *listed, *((c, c.name) for c in companions)]
    headers = any(ending_of(name) in (*DETACHED_HEADERS, ".nrrd", ".mha") for _, name in sources)
    files = []
    for number, (source, name) in enumerate(sources, 1):
        found = source.stat()
        staged = name if path.is_dir() or listed else safe_name(name, number, keep=headers)
        files.append(IntentFile(staged, str(source), name, found.st_size, found.st_mtime_ns))
    return Intent(input=str(path), label=path.name, files=files, container=container, **about)


def plan_members(root: Path, members: Sequence[str], **about: Any) -> Intent:
    """The same for some files of the folder ``root``, relative to it with slashes; the first names the job.

    Raises ``input.unreadable`` where one is gone.
    """
    files = []
    for name in members:
        try:
            found = (root / name).stat()
        except OSError as error:
            text = f"{root / name} cannot be read: {error.strerror}"
            raise PipelineError("input.unreadable", text) from error
        staged = f"{root.name}/{name}"
        files.append(IntentFile(staged, str(root / name), staged, found.st_size, found.st_mtime_ns))
    return Intent(input=str(root / members[0]), label=files[0].name, files=files, container=True, **about)


def stage(home: Home, path: Path, **about: object) -> str:
    """Copy ``path`` into ``state/incoming`` from a process that is not the pipeline; the job's id.

    The caller asks ``requests(kind="adopt", args={"id": id})`` afterwards. Its
    own file is only read. A file that changes meanwhile raises ``input.changed``.
    """
    intent = plan(path, companions=data_files(path), **about)

    def copy(target: Path) -> None:
        for item in intent.files:
            _copy(item, target / item.name)

    stage_with(home.incoming, intent, copy)
    return intent.id


def stage_with(incoming: Path, intent: Intent, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill the folder of the staged files and sync them; what it raises leaves nothing behind.

    ``intent`` is written afterwards, so that ``write`` may still say which files there are.
    """
    part = incoming / f"{intent.id}.part"
    (part / "input").mkdir(mode=0o700, parents=True)
    holder = lock.hold(part / "lock")
    try:
        write(part / "input")
        write_json(part / "intent.json", intent.to_dict())
        fsync_folder(part)
    except BaseException:
        holder.close()
        remove_tree(part)
        raise
    # Windows renames no folder in which a file is open.
    holder.close()
    (part / "lock").unlink()
    os.rename(part, incoming / intent.id)
    fsync_folder(incoming)


def data_files(path: Path) -> tuple[Path, ...]:
    """The data file beside the header at ``path``, if any; inspection decides whether it may be read."""
    if path.is_dir() or ending_of(path.name) not in DETACHED_HEADERS:
        return ()
    for name in data_names(path.name, path):
        beside = path.parent / name
        if beside.is_file() and not is_link(beside):
            return (beside,)
    return ()


def data_names(name: str, header: Path) -> list[str]:
    """Names under which the data of the ``header`` called ``name`` may lie beside it, the likeliest first."""
    if ending_of(name) in (".hdr", ".hdr.gz"):
        return image_names(name)
    named = named_data(header)
    return [named] if named else []


def image_names(name: str) -> list[str]:
    """Names of the second file of a NIfTI or Analyze pair: ``a.img`` and the like for ``a.hdr``."""
    ending = ending_of(name)
    stem = name[: len(name) - len(ending)] if ending in (".hdr", ".hdr.gz") else os.path.splitext(name)[0]
    endings = [".img", ".img.gz", ".IMG", ".IMG.GZ", ".Img", ".IMG.gz"]
    if ending == ".hdr.gz":
        endings[:2] = [".img.gz", ".img"]
    return [stem + one for one in endings]


def named_data(path: Path) -> str:
    """The bare name of the data file that the text header at ``path`` names; empty for none."""
    with open(path, "rb") as stream:
        head = stream.read(65536).decode("latin-1")
    found = re.search(r"^\s*(?:data ?file|elementdatafile)\s*[:=]\s*(.+?)\s*$", head, re.I | re.M)
    if not found or found.group(1).upper() in ("LOCAL", "LIST"):
        return ""
    name = local_name(found.group(1))
    return name if not re.search(r"[/\\:]", name) and name not in (".", "..") else ""


def _copy(item: IntentFile, target: Path) -> None:
    source = Path(str(item.source))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    found = source.stat()
    if (found.st_size, found.st_mtime_ns) != (item.size, item.mtime_ns):
        raise PipelineError("input.changed", f"{source} changed while it was copied")
    fsync_file(target)


def sweep_parts(home: Home) -> list[str]:
    """Remove ``.part`` folders whose writer is gone; their names."""
    gone = []
    for part in sorted(home.incoming.glob("*.part")):
        if not lock.is_locked(part / "lock"):
            remove_tree(part)
            gone.append(part.name)
    return gone
