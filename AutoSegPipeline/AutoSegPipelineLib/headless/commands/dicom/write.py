"""``dicom write``: the DICOM objects of a result, for whoever has no PACS to send them to."""

from __future__ import annotations

from pathlib import Path

import click

from ....core.messages.reader import plain
from ....core.pacs.object_builder import build_objects
from ....core.pacs.object_order import BINARY, COMPRESSIONS, ENCODINGS, KINDS, USUAL_KINDS, order_for
from ....core.pacs.uids import home_secret
from ...ask import existing_store
from ...flags import common
from ...output import safe
from ...session import Session
from ..jobs import as_json, job_id

_NONE = "none"


@click.command("write")
@job_id
@click.option(
    "--out", "-o", "out", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Where the folder of the result is made.",
)  # fmt: skip
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), default=USUAL_KINDS, show_default=True,
    help="What to write; may be repeated.",
)  # fmt: skip
@click.option(
    "--seg", "encoding", type=click.Choice(ENCODINGS), default=BINARY, show_default=True,
    help="The segmentation as single bits, which most programs read, or as a label map, far smaller.",
)  # fmt: skip
@click.option(
    "--compression", type=click.Choice([one or _NONE for one in COMPRESSIONS]), default="rle",
    show_default=True, help="Of a label map.",
)  # fmt: skip
@as_json
@common()
@click.pass_obj
def write(
    session: Session,
    job_id: str,
    out: Path,
    kinds: tuple[str, ...],
    encoding: str,
    compression: str,
    as_json: bool,
) -> int:
    """Write the DICOM objects of a result to a folder.

    \b
    seg      the segmentation
    report   volumes and mean intensities (a structured report, TID 1500)
    stl      a surface for each structure, where the job has the result stl
    capture  the picture

    They lie on the slices of the series that was segmented and name its patient and study.

    \b
    Examples:
      autoseg dicom write 3f0c -o objects
      autoseg dicom write 3f0c -o objects --seg labelmap --kind seg --kind capture
    """
    store = existing_store(session)
    job = store.jobs.get(job_id)
    folder = out.absolute() / (job.name or job.id)
    order = order_for(
        session.home, home_secret(store), job, folder, kinds, encoding,
        "" if compression == _NONE else compression,
    )  # fmt: skip
    built = build_objects(order)
    if as_json:
        session.output.document(plain(built))
        return 0
    for one in built.files:
        session.output.say(safe(one.path))
    if built.left_out:
        session.output.note(f"On no slice, so left out: {safe(', '.join(built.left_out))}")
    return 0
