"""``dicom test``: a phantom goes to our receiver, and its results to a peer."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

import click

from ....processing.phantom.build import torso
from ....processing.phantom.write_dicom import write_dicom_series
from ...dicom_process import asked
from ...flags import common
from ...output import safe
from ...session import Session
from ..jobs import as_json
from ..users import table_of
from .peers import PeerName, ready_config

_SECONDS = 900.0
_SHAPE, _SPACING = (73, 61, 40), (5.0, 5.0, 5.0)


@click.command("test")
@click.argument("peer", type=PeerName())
@as_json
@common()
@click.pass_obj
def test(session: Session, peer: str, as_json: bool) -> int:
    """Send a phantom through the receiver, and its results to PEER.

    It comes in by C-STORE like any scan, is processed by the engine tissue and goes to PEER like any
    result; then PEER is asked for it. The job is removed afterwards. What PEER has got stays there: a
    study of the patient AUTOSEG^SELFTEST.

    \b
    Examples:
      autoseg dicom test pacs
    """
    ready_config(session).peer(peer)
    folder = Path(tempfile.mkdtemp(prefix="autoseg-self-test-"))
    try:
        write_dicom_series(
            torso(_SHAPE, _SPACING).volume, folder, seed=secrets.randbits(60), PatientName="AUTOSEG^SELFTEST",
            PatientID="AUTOSEG-SELFTEST", StudyDescription="Self-test",
        )  # fmt: skip
        steps = asked(session, "self_test", {"peer": peer, "folder": str(folder)}, _SECONDS)["steps"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert isinstance(steps, list)
    passed = all(step["ok"] is not False for step in steps)
    if as_json:
        session.output.document({"passed": passed, "steps": steps})
        return 0 if passed else 1
    words = {True: "ok", False: "FAILED", None: "-"}
    rows = [
        (step["step"], words[step["ok"]], f"{step.get('seconds', 0)} s", safe(step["note"])) for step in steps
    ]
    session.output.table(table_of(("step", "", "took", "note"), rows))
    return 0 if passed else 1
