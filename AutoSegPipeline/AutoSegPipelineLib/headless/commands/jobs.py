"""Looking at jobs and asking for changes to them, whether or not a pipeline runs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Callable

import click

from ...core import states
from ...core.commands import (
    Cancel,
    Command,
    Priority,
    Purge,
    Retry,
    Review,
)
from ...core.errors import PipelineError
from ...core.job import Job
from ...core.pacs import store as pacs
from ...core.specs import did_you_mean
from ...core.store import Store
from ...core.store.ask import Waiting, ask
from ..ask import existing_store, text_of
from ..flags import common
from ..output import safe
from ..session import Session, user_name
from ..tables import facts_table, job_facts, job_table

_FOLLOW_SECONDS = 0.3


class JobId(click.ParamType):
    """A job's id or the beginning of it; completed from the store."""

    name = "id"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        store = ctx.ensure_object(Session).store()
        jobs = store.jobs.list(limit=200, newest_first=True) if store else []
        return [
            CompletionItem(job.id[:8], help=f"{job.state} {safe(job.label)}")
            for job in jobs
            if job.id.startswith(incomplete)
        ]


class State(click.ParamType):
    """A state of a job, with the nearest one named for a wrong word."""

    name = "state"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in states.ALL:
            known = ", ".join(states.ALL)
            self.fail(f"{value!r} is not one of {known}{did_you_mean(value, states.ALL)}")
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(state) for state in states.ALL if state.startswith(incomplete)]


job_id = click.argument("job_id", metavar="ID", type=JobId())
job_ids = click.argument("job_ids", metavar="ID...", type=JobId(), nargs=-1, required=True)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")


@click.command("list")
@click.option(
    "--state", "wanted", multiple=True, type=State(), help="Only jobs in this state; may be repeated."
)
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(min=0), help="The newest N; 0 shows all."
)
@as_json
@common(names=("home", "inbox", "results"))  # --state is the jobs' here; the folder's goes before `list`
@click.pass_obj
def list_jobs(session: Session, wanted: tuple[str, ...], limit: int, as_json: bool) -> int:
    """List the jobs, the newest last.

    \b
    Examples:
      autoseg list
      autoseg list --state failed --state refused
      autoseg list --json --limit 0
    """
    store = session.store()
    jobs = store.jobs.list(wanted or None, limit=limit or -1, newest_first=True)[::-1] if store else []
    output = session.output
    if as_json:
        output.document({"jobs": [session.job_document(job) for job in jobs]})
    elif jobs:
        output.table(job_table(jobs))
    else:
        output.note(f"No jobs{' in that state' if wanted else ''} in {safe(str(session.home.root))}.")
    if not as_json:
        _note_left_out(session)
    return 0


def _note_left_out(session: Session) -> None:
    """Series from the PACS that became no job are in no list of jobs; say where they are."""
    if not pacs.exists(session.home):
        return
    store = pacs.PacsStore.of(session.home)
    try:
        count = store.verdicts.count_left_out()
    finally:
        store.close()
    if count:
        series = "1 series was" if count == 1 else f"{count} series were"
        session.output.note(f"{series} left out; `autoseg dicom explain` says why.")


@click.command("show")
@job_id
@as_json
@common()
@click.pass_obj
def show(session: Session, job_id: str, as_json: bool) -> int:
    """Show everything about one job.

    ID may be shortened to its first letters (at least four).

    \b
    Examples:
      autoseg show 3f0c
      autoseg show 3f0c --json
    """
    job = existing_store(session).jobs.get(job_id)
    document = session.job_document(job)
    if as_json:
        session.output.document(document)
    else:
        log = session.home.job_log(job.id)
        session.output.table(facts_table(job_facts(job, document, str(log) if log.exists() else "")))
    return 0


def help_of(row: type[Command], *examples: str) -> str:
    """The help of a command of the table; each example is what follows its name."""
    lines = [f"  autoseg {row.name} {example}".rstrip() for example in examples]
    return "\n".join([row.help, "", "\b", "Examples:", *lines])


def _each(session: Session, ids: tuple[str, ...], command_for: Callable[[str], Command], done: str) -> int:
    """Ask for ``command_for(id)`` for every id; 1 when the pipeline refused one."""
    store, output, code = existing_store(session), session.output, 0
    for wanted in ids:
        try:
            job = store.jobs.get(wanted)
            command = command_for(job.id)
            ask(store, session.home, command, user_name())
            output.say(f"{job.id[:8]} {safe(job.label)}: {done}")
        except Waiting as waiting:
            output.say(f"{job.id[:8]} {safe(job.label)}: {command.name} noted. {text_of(waiting)}")
        except PipelineError as error:
            if len(ids) == 1:
                raise
            output.error(error)
            code = 1
    return code


@click.command(Cancel.name, help=help_of(Cancel, "3f0c", "3f0c 81ab"))
@job_ids
@common()
@click.pass_obj
def cancel(session: Session, job_ids: tuple[str, ...]) -> int:
    return _each(session, job_ids, Cancel, "cancelled")


@click.command(Retry.name, help=help_of(Retry, "3f0c", "3f0c 81ab"))
@job_ids
@common()
@click.pass_obj
def retry(session: Session, job_ids: tuple[str, ...]) -> int:
    return _each(session, job_ids, Retry, "queued again")


@click.command(Priority.name, help=help_of(Priority, "3f0c 100"))
@job_id
@click.argument("number", metavar="N", type=click.IntRange(0, 100))
@common()
@click.pass_obj
def priority(session: Session, job_id: str, number: int) -> int:
    return _each(session, (job_id,), lambda job: Priority(job, number), f"priority {number}")


@click.command(Review.name, help=help_of(Review, "3f0c good", '3f0c 81ab bad --remark "liver cut off"'))
@job_ids
@click.argument("mark", type=click.Choice(("good", "bad", "none")))
@click.option("--remark", default="", metavar="TEXT", help="Why; shown and exported beside the mark.")
@common()
@click.pass_obj
def review(session: Session, job_ids: tuple[str, ...], mark: str, remark: str) -> int:
    said = "" if mark == "none" else mark
    done = f"marked {mark}" if said or remark else "review taken back"
    return _each(session, job_ids, lambda job: Review(job, said, remark, user_name()), done)


@click.command(Purge.name, help=help_of(Purge, "3f0c", "3f0c 81ab --yes"))
@job_ids
@click.option("--yes", is_flag=True, help="Do not ask.")
@common()
@click.pass_obj
def purge(session: Session, job_ids: tuple[str, ...], yes: bool) -> int:
    store = existing_store(session)
    jobs = [store.jobs.get(wanted) for wanted in job_ids]
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("purge asks before it removes; without a terminal say --yes")
        names = ", ".join(f"{job.id[:8]} {safe(job.label)}" for job in jobs)
        click.confirm(f"Remove {names} with all results for ever?", abort=True, err=True)
    return _each(session, tuple(job.id for job in jobs), Purge, "removed")


@click.command("log")
@job_id
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends.")
@common()
@click.pass_obj
def log(session: Session, job_id: str, follow: bool) -> int:
    """Print the log of one job.

    \b
    Examples:
      autoseg log 3f0c
      autoseg log 3f0c --follow
    """
    store = existing_store(session)
    job = store.jobs.get(job_id)
    path = session.home.job_log(job.id)
    if not follow:
        if not path.exists():
            session.output.note(f"{job.id[:8]} {safe(job.label)} has no log yet; it is {job.state}.")
        _print_from(path, 0, print_line)
        return 0
    position = 0
    while True:
        # Looked at before the log is read: what the job wrote before its end is then in the file.
        ended = _has_ended(store, job)
        position = _print_from(path, position, print_line)
        if ended:
            return 0
        time.sleep(_FOLLOW_SECONDS)


def _has_ended(store: Store, job: Job) -> bool:
    found = store.jobs.find(job.id)
    return found is None or found.ended


def _print_from(path: Path, position: int, write: Callable[[str], None]) -> int:
    """Hand every complete line after ``position`` to ``write``; the position behind the last one."""
    try:
        with open(path, "rb") as stream:
            stream.seek(position)
            data = stream.read()
    except FileNotFoundError:
        return position
    end = data.rfind(b"\n") + 1
    for line in data[:end].decode("utf-8", "replace").splitlines():
        write(line)
    return position + end


def print_line(line: str) -> None:
    """One line of a log for people; what could steer the terminal is left out."""
    for part in readable(line).splitlines():
        sys.stdout.write(safe(part.expandtabs()) + "\n")
    sys.stdout.flush()


def readable(line: str) -> str:
    """``time level text`` of a JSON line; any other line as it is."""
    try:
        found = json.loads(line)
    except ValueError:
        return line
    if not isinstance(found, dict):
        return line
    level = found.get("level", "info")
    return f"{found.get('at', '')} {'' if level == 'info' else level + ': '}{found.get('text', '')}"
