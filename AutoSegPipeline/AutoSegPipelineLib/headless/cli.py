"""The command line: ``autoseg COMMAND``."""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import traceback
from typing import Any, ClassVar, Mapping, Sequence

import click

from .. import __version__
from ..core.errors import PipelineError
from ..core.files import is_disk_full
from ..core.specs import did_you_mean
from .flags import common
from .lazy_group import LazyGroup
from .output import console, finish_streams, prepare_streams, show_error, write_document
from .program import COMPLETE, name_commands, program
from .session import Session

log = logging.getLogger(__name__)

# A reader that has enough, a terminal whose window was closed; Windows calls the former an invalid argument.
_NO_READER = {errno.EPIPE, errno.EIO, *([errno.EINVAL] if sys.platform == "win32" else [])}
RESEARCH = "For research, not a medical device."
# The commands under their headings, and where each one's function is below commands/.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Process": {"serve": "serve.serve", "run": "run.run", "export": "run.export", "demo": "demo.demo"},
    "Cohorts": {"table": "table.table", "methods": "methods.methods"},
    "Jobs": {
        "submit": "submit.submit",
        "list": "jobs.list_jobs",
        "show": "jobs.show",
        "log": "jobs.log",
        "cancel": "jobs.cancel",
        "retry": "jobs.retry",
        "priority": "jobs.priority",
        "review": "jobs.review",
        "purge": "jobs.purge",
    },
    "Cluster": {"bundle": "bundle.bundle", "worker": "worker.worker"},
    "Pipeline": {
        "status": "pipeline.status",
        "pause": "pipeline.pause",
        "resume": "pipeline.resume",
        "stop": "pipeline.stop",
    },
    "PACS": {"dicom": "dicom.dicom"},
    "Web page": {
        "users": "users.users",
        "tokens": "tokens.tokens",
        "links": "links.links",
        "audit": "links.audit",
    },
    "Setup": {
        "doctor": "doctor.doctor",
        "engines": "engines.engines",
        "config": "config.config",
        "rules": "rules.rules",
        "weights": "weights.weights",
        "models": "models.models",
        "completion": "completion.completion",
    },
}


class Group(LazyGroup):
    """A group that suggests the nearest command and lists its own under headings."""

    package = f"{__package__}.commands"
    functions: ClassVar = {name: where for names in SECTIONS.values() for name, where in names.items()}

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = click.utils.make_str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(f"there is no command {name!r}{near}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, one.get_short_help_str(70)) for name, one in found if one])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.epilog = RESEARCH
        return command


@click.group(
    cls=Group,
    epilog=RESEARCH,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@common(hidden=False)
@click.version_option(__version__, prog_name="AutoSegPipeline")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A scan goes in, named 3D anatomy comes out.

    \b
    Examples:
      autoseg serve                     watch the inbox until Ctrl+C
      autoseg run scan.nii.gz -o out    one scan, then end
      autoseg export labels.nii.gz -o out --labels names.csv
      autoseg doctor                    is everything here that is needed?
    """
    ctx.ensure_object(Session)


name_commands([cli])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the exit code. Errors are shown here and nowhere else.

    A reader that has enough (``| head``) is exit code 1 without a word, click's way.
    """
    prepare_streams()
    code = _main(arguments)
    lost = finish_streams()
    if lost is None:
        return code
    if lost.errno not in _NO_READER:
        _show(_unsaid(lost), as_json=False)
    return code or 1


def _main(arguments: Sequence[str] | None) -> int:
    # Without any handler Python would print warnings and tracebacks on standard error.
    logging.getLogger(__name__.split(".", maxsplit=1)[0]).addHandler(logging.NullHandler())
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        return _run(given)
    except click.exceptions.Exit as ending:
        return int(ending.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _usage(error, as_json)
        return int(error.exit_code)
    except PipelineError as error:
        _show(error, as_json)
        return 2 if error.code.startswith(("request.", "options.")) else 1
    except Exception as error:  # the program's boundary: show one line, keep the traceback
        if is_disk_full(error):  # no room for a traceback either
            _show(_unsaid(error), as_json=False)
            return 1
        if os.environ.get("AUTOSEG_DEBUG"):
            raise
        _show(_internal(error), as_json)
        return 1


def _run(given: list[str]) -> int:
    return int(cli.main(args=given, prog_name=program(), complete_var=COMPLETE, standalone_mode=False) or 0)


def _usage(error: click.ClickException, as_json: bool) -> None:
    message = error.format_message()
    hint = ""
    context = getattr(error, "ctx", None)
    if context is not None:
        hint = f"Try: {context.command_path} --help"
    if as_json:
        write_document({"error": {"code": "request.invalid", "message": message, "hint": hint}})
    show_error(console(sys.stderr), message, hint)


def _show(error: PipelineError, as_json: bool) -> None:
    if as_json:
        write_document({"error": error.to_dict()})
    show_error(console(sys.stderr), error.message, error.hint, error.code)


def _unsaid(error: Exception) -> PipelineError:
    code = "environment.disk_full" if is_disk_full(error) else "pipeline.internal"
    return PipelineError(code, f"not everything could be written: {error}", "Write it where there is room.")


def _internal(error: Exception) -> PipelineError:
    log.error("%s", error, exc_info=error)
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    handle, path = tempfile.mkstemp(prefix="autoseg-error-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
        stream.write(text)
    return PipelineError(
        "pipeline.internal",
        f"{type(error).__name__}: {error}",
        f"An error of this program; {path} holds the traceback.",
    )
