"""``methods``: a paragraph for a paper, and what it cites."""

from __future__ import annotations

from pathlib import Path

import click

from ...core.cohort.methods import manifest_of, methods_of
from ...core.cohort.read_case import manifests
from ...core.cohort.run_record import superseded
from ...core.errors import PipelineError
from ...core.result_formats import MANIFEST
from ..ask import existing_store
from ..flags import Command, common
from ..output import safe
from ..session import Session
from .jobs import as_json


@click.command("methods", cls=Command)
@click.argument("wanted", nargs=-1, metavar="[OUT|ID...]")
@click.option(
    "--bib", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the BibTeX entries into FILE instead of below the paragraph.",
)  # fmt: skip
@as_json
@common(names=("home", "results", "state"))
@click.pass_obj
def methods(session: Session, wanted: tuple[str, ...], bib: Path | None, as_json: bool) -> int:
    """Print a methods paragraph for a paper, with BibTeX.

    It says what the manifests say: versions, engines, tasks, weights,
    libraries. OUT is a folder of results, ID a job of the pipeline's home;
    without either, all finished cases of the home.

    \b
    Examples:
      autoseg methods out --bib methods.bib
      autoseg methods 3f0c 81ab
    """
    found = methods_of(_manifests(session, wanted))
    output = session.output
    if bib is not None:
        try:
            bib.write_text(found.bibtex, encoding="utf-8")
        except OSError as error:
            raise PipelineError(
                "environment.results_unreachable", f"{bib} cannot be written: {error.strerror}"
            ) from error
    if as_json:
        output.document(found.to_dict())
    else:
        click.echo(safe(found.paragraph))
        if bib is None:
            click.echo("\n" + found.bibtex, nl=False)
    return 0


def _manifests(session: Session, wanted: tuple[str, ...]) -> list[Path]:
    if len(wanted) == 1 and Path(wanted[0]).is_dir():
        folder = Path(wanted[0])
        old = {name + MANIFEST for name in superseded(folder)}
        return [folder / name for name in sorted(manifests(folder)) if name not in old]
    store = existing_store(session)
    try:
        jobs = [store.jobs.get(one) for one in wanted] if wanted else store.jobs.list(published=True)
        return [manifest_of(job, session.home.results) for job in jobs]
    finally:
        store.close()
