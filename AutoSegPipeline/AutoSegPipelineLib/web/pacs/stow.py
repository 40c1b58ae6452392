"""STOW-RS (PS3.18, 10.5): the dicom process keeps what came or says why not; how that is answered."""

from __future__ import annotations

from ...core.errors import PipelineError
from ...core.pacs.stored import Stored
from .dicom_process import DicomProcess

ANSWER_SECONDS = 300.0
MEDIA_TYPE = "application/dicom+json"
_COMMENT = 64  # characters of a value of LO


def check_title(pacs: DicomProcess, title: str) -> None:
    """Before a body is read: whether anybody takes what comes under ``title`` (empty: the receiver's own).

    Raises ``request.no_pipeline`` where nobody would, ``request.not_found`` for a title without an entry.
    """
    why = pacs.why_not()
    if why:
        raise PipelineError("request.no_pipeline", why)
    config, error = pacs.config()
    # While dicom.json is wrong, the dicom process decides, by the last one that was right.
    if title and error is None and config.entry(title) is None:
        raise PipelineError("request.not_found", f"dicom.json has no entry {title!r}")


async def store(
    pacs: DicomProcess, files: list[str], title: str, study: str, by: str, address: str
) -> list[Stored]:
    """Give ``files`` (below ``state/uploads``) to the dicom process; what it took is in its hands then.

    ``study`` is the only one whose instances are taken, unless it is empty. Raises as
    :meth:`.dicom_process.DicomProcess.ask`.
    """
    args: dict[str, object] = {"files": files, "called": title, "study": study, "address": address}
    answer = await pacs.ask("stow", args, by, ANSWER_SECONDS)
    rows = answer.get("instances")
    return [Stored(**row) for row in rows] if isinstance(rows, list) else []


def status_of(stored: list[Stored]) -> int:
    """200 where all were stored, 202 where some were, 409 where none was."""
    good = sum(one.status == 0 for one in stored)
    return 409 if not good else 200 if good == len(stored) else 202


def response_of(stored: list[Stored]) -> dict[str, object]:
    """The Store Instances Response Module (PS3.18, table 10.5.3-1) in DICOM's JSON (annex F).

    There is no way to retrieve anything here, so Retrieve URL has no value.
    """
    found: dict[str, object] = {"00081190": {"vr": "UR"}}
    failed = [_item(one, reason=True) for one in stored if one.status]
    good = [_item(one, reason=False) for one in stored if not one.status]
    if failed:
        found["00081198"] = {"vr": "SQ", "Value": failed}
    if good:
        found["00081199"] = {"vr": "SQ", "Value": good}
    return found


def _item(one: Stored, reason: bool) -> dict[str, object]:
    item: dict[str, object] = {"00081150": _uid(one.sop_class), "00081155": _uid(one.sop_instance)}
    if reason:
        item["00081197"] = {"vr": "US", "Value": [one.status]}
        if one.comment:  # beyond the standard's table; other archives say it so, too
            item["00000902"] = {"vr": "LO", "Value": [one.comment[:_COMMENT]]}
    else:
        item["00081190"] = {"vr": "UR"}
    return item


def _uid(value: str) -> dict[str, object]:
    return {"vr": "UI", "Value": [value]} if value else {"vr": "UI"}
