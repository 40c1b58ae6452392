"""Trying it out with a phantom scan."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from ...core.events import Event, JobEnded
from ...core.home import Home
from ..flags import Command, given, spec_flags
from ..output import safe
from ..session import Session
from .serve import serve_home

NAME = "demo_ct"


@click.command("demo", cls=Command)
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--once", is_flag=True, help="End when the case is done.")
@spec_flags(("engine", "quality", "formats", "detail"), "Case options")
@click.option("--verbose", is_flag=True, help="Tell more, on standard error.")
@click.option("--quiet", is_flag=True, help="Tell errors only.")
@click.pass_obj
def demo(
    session: Session, folder: Path | None, once: bool, verbose: bool, quiet: bool, **flags: object
) -> int:
    """Drop a phantom CT of a torso into an inbox and serve it.

    FOLDER becomes the home of the demo; without one it lies in the temporary
    folder. No patient's data, nothing is downloaded.

    \b
    Examples:
      autoseg demo
      autoseg demo ~/autoseg-demo --once
    """
    session.verbose, session.quiet = session.verbose or verbose, session.quiet or quiet
    root = folder if folder is not None else Path(tempfile.mkdtemp(prefix="autoseg-demo-"))
    home = Home.at(root)
    home.create()
    session.places = {"home": home.root}
    settings = session.settings({"inputs": "keep", "settle_seconds": 1.0, **given(flags)})
    session.output.note("drawing a torso ...")
    scan = write_phantom(home.inbox)
    session.output.note(f"dropped {safe(str(scan))}")
    return serve_home(session, home, settings, "demo", Guide(once))


def write_phantom(folder: Path) -> Path:
    """A torso CT as ``demo_ct.nii.gz`` in ``folder``, complete as soon as it is there."""
    from ...processing.phantom import torso, write_nifti

    phantom = torso()
    part = folder / f".{NAME}.nii.gz"  # a dot file is not looked at
    write_nifti(phantom.volume, part)
    path = folder / f"{NAME}.nii.gz"
    part.replace(path)
    return path


class Guide:
    """Tells which files to open when the case is done; with ``once`` that is the end."""

    def __init__(self, once: bool) -> None:
        self._once = once

    def begin(self, host: Any) -> None:
        self._host = host

    def hear(self, event: Event) -> None:
        """Notice the end."""
        if isinstance(event, JobEnded):
            self._host.later(lambda: self._ended(event.job_id))

    def _ended(self, job_id: str) -> None:
        job = self._host.pipeline.store.jobs.find(job_id)
        if job is not None and job.state == "done":
            by_kind = {output["kind"]: output["name"] for output in job.outputs}
            for kind, what in (
                ("report", "in a browser"),
                ("gltf", "in any 3D viewer"),
                ("seg", "in 3D Slicer"),
            ):
                if kind in by_kind:
                    self._host.narrator.say(f"open {self._host.home.results / by_kind[kind]} {what}", "bold")
        if self._once:
            self._host.stop(0 if job is not None and job.state == "done" else 1)

    def interrupted(self, host: Any) -> None:
        """Ctrl+C."""
        host.stop(130 if self._once else 0)

    def abandoned(self, host: Any) -> None:
        return
