"""What ``python3 autoseg.py ...`` does: make the environment, then run the command in it."""

from __future__ import annotations

import os
import signal

from . import checks, extras, packages, viewer
from .environment import BASE, Environment
from .handover import become
from .installer import say
from .places import environments_folder
from .trouble import Trouble
from .windows import die_together

HELP = """\
AutoSegPipeline: a dropped CT or MR scan becomes named, coloured 3D anatomy.
For research, not a medical device.

Usage: python3 autoseg.py [--venv DIR] COMMAND ...

  serve      watch a folder and process what is dropped, until Ctrl+C
  run        process files and exit
  doctor     say what works here and what is missing
  install    install what is needed and stop there; `install totalsegmentator` adds that engine,
             `install nnunet` the engine for your own models, `install viewer` the libraries of
             the page's 3D viewer where set-up could not have them, `install cluster` what Slurm
             and Dask need, `install usdz` what results as USDZ need, `install openvino` what
             computes networks faster on the CPU
  test       run every check of the project (arguments go to pytest); `test --fast` leaves out
             the tests that start processes or compute for long
  ...        `python3 autoseg.py --help` lists the rest once it is installed

Nothing is installed yet for this Python. The first command downloads about
0.3 GB of packages (1.4 GB on disk) into %s
(--venv DIR or AUTOSEG_VENV=DIR chooses another folder), later ones start at once.
"""


class Usage(Exception):
    """The launcher's own part of the command line is wrong."""


def split_arguments(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The folder given with ``--venv`` before the command, if any, and what is passed on."""
    if not arguments or (arguments[0] != "--venv" and not arguments[0].startswith("--venv=")):
        return None, arguments
    if arguments[0] == "--venv":
        folder, rest = "".join(arguments[1:2]), arguments[2:]
    else:
        folder, rest = arguments[0].partition("=")[2], arguments[1:]
    if not folder or folder.startswith("-"):
        raise Usage("--venv needs a folder, for example: python3 autoseg.py --venv ~/autoseg-venv serve")
    return folder, rest


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code (on POSIX only where it did not become the program)."""
    die_together()
    try:
        chosen, rest = split_arguments(arguments)
        folder = environments_folder(chosen or os.environ.get("AUTOSEG_VENV"))
        environment = Environment(folder, BASE, say)
        if rest[:1] == ["test"]:
            return checks.run_all(environment, folder, rest[1:])
        if rest[:1] in ([], ["--help"], ["-h"], ["help"]) and not environment.is_ready():
            print(HELP % folder)
            return 0
        if rest[:1] == ["install"] and len(rest) > 1:
            return extras.main(environment, rest[1:])
        return _start(environment, rest)
    except Usage as error:
        say(str(error))
        return 2
    except Trouble as error:
        say(f"\n{error}")
        return 1
    except OSError as error:
        say(f"\n{error}\nChoose another folder with --venv DIR.")
        return 1
    except KeyboardInterrupt:
        say("\nStopped. Start again to go on; what was downloaded is kept.")
        return 128 + signal.SIGINT


def _start(environment: Environment, rest: list[str]) -> int:
    extras.offer(environment, rest)
    while True:
        environment.ensure()
        extras.bring_along(environment)
        viewer.bring_along(environment)
        packages.bring_along(environment)
        held = environment.hold()
        # Between the two lines above another checkout of the pins may have removed it.
        if environment.is_ready():
            break
    if rest == ["install"]:
        say(f"Ready: {environment.python}")
        return 0
    return become(environment, rest or ["--help"], held)
