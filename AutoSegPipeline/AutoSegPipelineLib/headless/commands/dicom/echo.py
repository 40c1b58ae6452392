"""``dicom echo``: whether peers answer."""

from __future__ import annotations

import click

from ....dicom.query.find import echo_all
from ...flags import common
from ...output import safe
from ...session import Session
from ..jobs import as_json
from ..users import table_of
from .peers import PeerName, ready_config


@click.command("echo")
@click.argument("peers", nargs=-1, type=PeerName())
@as_json
@common()
@click.pass_obj
def echo(session: Session, peers: tuple[str, ...], as_json: bool) -> int:
    """Ask peers whether they answer: a C-ECHO, or one question over DICOMweb.

    Without names every peer of dicom.json is asked. The pipeline need not run.

    \b
    Examples:
      autoseg dicom echo
      autoseg dicom echo pacs
    """
    config = ready_config(session)
    names = list(dict.fromkeys(peers)) or list(config.peers)
    for name in names:
        config.peer(name)
    found = [
        {
            "peer": one.name, "answers": one.error is None, "note": one.error.message if one.error else "",
            "seconds": round(one.seconds, 2),
        }
        for one in echo_all(config, names)
    ]  # fmt: skip
    if as_json:
        session.output.document({"peers": found})
    elif found:
        rows = [
            (str(one["peer"]), "ok" if one["answers"] else safe(str(one["note"])), f"{one['seconds']} s")
            for one in found
        ]
        session.output.table(table_of(("peer", "answer", "took"), rows))
    else:
        session.output.say("dicom.json names no peers.")
    return 0 if all(one["answers"] for one in found) else 1
