"""``install totalsegmentator``: an engine into the program's own environment, after asking which torch.

``install viewer`` is in :mod:`.viewer`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Mapping

from . import pins, viewer
from .environment import BASE, Environment
from .installer import WHEELS_ONLY, PipProgress, clean_environment, pip_command, run, say
from .places import REQUIREMENTS
from .torch_build import CPU_GB, CUDA_GB, Declined, Torch, has_gpu, parse_torch, usual
from .trouble import Trouble, check_space

TOTALSEGMENTATOR = "totalsegmentator"
COMMAND = f"python3 autoseg.py install {TOTALSEGMENTATOR}"
# Packages of the extra that exist as source only; pure Python, so they need no compiler.
_SOURCE = ("acvl-utils",)

# Imports alone hide a broken pair: only the search for the trainer's class loads every module of nnU-Net.
_CHECK = """
import os, torch, torchvision, nnunetv2, totalsegmentator
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class
torch.ops.torchvision.nms
place = os.path.join(nnunetv2.__path__[0], "training", "nnUNetTrainer")
found = recursive_find_python_class(place, "nnUNetTrainerNoMirroring", "nnunetv2.training.nnUNetTrainer")
assert found is not None, "nnU-Net does not find its trainer class"
gpu = torch.cuda.is_available() and torch.cuda.get_device_name(0)
mps = getattr(torch.backends, "mps", None) and torch.backends.mps.is_available()
print(torch.__version__, torchvision.__version__, gpu or ("Apple's GPU" if mps else "the CPU"), sep="|")
"""


def on_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def main(environment: Environment, arguments: list[str]) -> int:
    """``install NAME [--torch BUILD] [--yes]``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="autoseg.py install", description="Add what is not there from the start."
    )
    parser.add_argument("what", choices=[TOTALSEGMENTATOR, viewer.VIEWER])
    parser.add_argument("--torch", metavar="BUILD", help="cpu, cuda, or a requirement, with options of pip")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(arguments)
    if given.what == viewer.VIEWER:
        return viewer.main(environment)
    try:
        return _install(environment, given.torch, given.yes)
    except Declined as error:
        say(str(error))
        return 2


def _install(environment: Environment, build: str | None, yes: bool) -> int:
    torch = parse_torch(build) if build else None
    if not yes and not on_terminal() and not is_whole(environment):
        raise Declined(
            f"TotalSegmentator brings torch, {CPU_GB} to {CUDA_GB} GB in all, and nobody is here to be "
            "asked. Say it with\n"
            f"  {COMMAND} --torch cpu|cuda|'REQUIREMENT' --yes"
        )
    environment.ensure()
    there = environment.extras().get(TOTALSEGMENTATOR)
    if there and is_whole(environment) and (torch is None or there["torch"] == torch.text):
        say(f"TotalSegmentator is there already: {check(environment)}")
        return 0
    if torch is None:
        torch = parse_torch((there or {}).get("torch") or usual() if yes else ask_torch())
    if not yes and not _confirmed(torch):
        raise Declined("Nothing was installed.")
    install(environment, torch)
    return 0


def ask_torch() -> str:
    """Ask on the terminal which build of torch; the answer in the words of ``--torch``."""
    suits = "an NVIDIA GPU is here" if has_gpu() else "no NVIDIA GPU was found"
    say(
        f"TotalSegmentator computes with torch. Which build ({suits})?\n"
        f"  1  cpu   without NVIDIA GPU, about {CPU_GB} GB in all (on Apple silicon with Apple's GPU)\n"
        f"  2  cuda  for NVIDIA GPUs, about {CUDA_GB} GB in all; computes on the CPU too\n"
        "  3  a requirement of your own, with options of pip behind it\n"
        "     (for example: torch==2.14.1+cpu --extra-index-url URL)"
    )
    usually = {"cpu": "1", "cuda": "2"}[usual()]
    answer = _answer(f"Choice [{usually}]: ") or usually
    if answer in ("1", "2"):
        return {"1": "cpu", "2": "cuda"}[answer]
    return _answer("Requirement: ") if answer == "3" else answer


def _confirmed(torch: Torch) -> bool:
    packages = ", ".join([*torch.requirements, "TotalSegmentator"])
    say(f"This downloads and unpacks {packages} (about {torch.gigabytes} GB on the disk).")
    return _answer("Go on? [y/N] ").lower() in ("y", "yes")


def _answer(question: str) -> str:
    # input() would write the question to standard output, which may be a document for a program.
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def fingerprint() -> str:
    """Changes with the pins of the extra and of torch."""
    return pins.fingerprint([REQUIREMENTS / f"{TOTALSEGMENTATOR}.txt", REQUIREMENTS / "torch.txt"])


def is_whole(environment: Environment) -> bool:
    """Whether the extra was installed to its end, with the pins of now."""
    there = environment.extras().get(TOTALSEGMENTATOR) if environment.is_ready() else None
    return there is not None and there["fingerprint"] == fingerprint()


def install(environment: Environment, torch: Torch) -> None:
    """Install the extra and torch in one pip command, check them, and mark them as complete.

    Raises :class:`~.trouble.Trouble`.
    """
    began = time.monotonic()
    with environment.locked() as lock:
        there = environment.extras().get(TOTALSEGMENTATOR)
        check_space(environment.path, (torch.gigabytes + 1) * 10**9)  # pip unpacks beside
        pip = pip_command(environment.python)
        asked = [*WHEELS_ONLY, "--prefer-binary", "--no-binary", ",".join(_SOURCE)]
        asked += ["--constraint", str(BASE.path), *torch.options]
        asked += ["-r", str(REQUIREMENTS / f"{TOTALSEGMENTATOR}.txt"), *torch.requirements]
        say(f"Packages of TotalSegmentator, with {' and '.join(torch.requirements)}:")
        try:
            if there and there["torch"] != torch.text:
                # pip takes 2.14.1+cpu for 2.14.1 and would leave the other build where it is. What is
                # there goes only once the new one is known to be had.
                run([*pip, "install", "--dry-run", *asked], lambda line: None, environment.path, (lock.fd,))
                gone = [*pip, "uninstall", "--yes", "torch", "torchvision"]
                _unmark(environment, torch, there)
                run(gone, lambda line: None, environment.path, (lock.fd,))
            _unmark(environment, torch, there)
            run([*pip, "install", *asked], PipProgress(0, say).feed, environment.path, (lock.fd,))
        except Trouble as error:
            raise _explained(error, torch) from error
        found = check(environment)
        environment.set_extra(TOTALSEGMENTATOR, {"torch": torch.text, "fingerprint": fingerprint()})
    say(f"Installed in {time.monotonic() - began:.0f} s: {found}")
    say("Its weights: python3 autoseg.py weights --help; --download-weights fetches them with a case")


def _unmark(environment: Environment, torch: Torch, there: dict[str, str] | None) -> None:
    """Until the end it does not count as complete; one that was wanted before stays wanted."""
    environment.set_extra(TOTALSEGMENTATOR, {"torch": torch.text, "fingerprint": ""} if there else None)


def _explained(error: Trouble, torch: Torch) -> Trouble:
    text = str(error)
    lacks = ("No matching distribution found for", "Cannot install")
    if any(f"{words} {one}" in text for words in lacks for one in torch.requirements):
        return Trouble(
            f"{text}\nThe package index in use has no such torch for this machine. PyTorch's installation "
            "page names the index that has it; give it behind the build:\n"
            f"  {COMMAND} --torch '{torch.text.split()[0]} --extra-index-url URL'\n"
            f"Where there is an NVIDIA GPU, or {CUDA_GB} GB are no matter: --torch cuda (it computes "
            "on the CPU too)."
        )
    return error


def check(environment: Environment) -> str:
    """What works, in one line; raises :class:`~.trouble.Trouble` where the packages do not fit together."""
    answer = subprocess.run(
        [str(environment.python), "-I", "-c", _CHECK],
        capture_output=True, encoding="utf-8", errors="replace", env=clean_environment(), check=False,
    )  # fmt: skip
    lines = answer.stdout.strip().splitlines()
    if answer.returncode or not lines:
        said = " ".join(answer.stderr.strip().splitlines()[-1:]) or f"exit code {answer.returncode}"
        raise Trouble(
            f"TotalSegmentator was installed and does not work: {said}\n"
            "Most often torch and torchvision are of different builds. Name both, of one build:\n"
            f"  {COMMAND} --torch 'torch==... torchvision==...'"
        )
    torch, vision, device = lines[-1].split("|")
    return f"torch {torch}, torchvision {vision}, computes on {device}."


def bring_along(environment: Environment) -> None:
    """Where new pins made the environment again, the extra that the user had comes too.

    A failure is reported and does not keep the program from starting.
    """
    wanted = environment.extras().get(TOTALSEGMENTATOR)
    if wanted is None or is_whole(environment):
        return
    say(f"TotalSegmentator was installed here before (torch: {wanted['torch']}) and is brought up to date.")
    try:
        install(environment, parse_torch(wanted["torch"]))
    except (Trouble, Declined) as error:
        environment.set_extra(TOTALSEGMENTATOR, None)
        say(f"\n{error}\nIt goes on without TotalSegmentator. Try again with: {COMMAND}")


def offer(environment: Environment, arguments: list[str]) -> None:
    """Before ``serve`` or ``run`` with the engine: ask whether to install it where it is missing."""
    if not wants_engine(arguments, os.environ) or is_whole(environment) or not on_terminal():
        return  # without a terminal the program itself says what is missing
    say("TotalSegmentator is not installed here.")
    if _answer("Install it now? [y/N] ").lower() in ("y", "yes"):
        try:
            _install(environment, None, False)
        except Declined as error:
            say(str(error))


def wants_engine(arguments: list[str], variables: Mapping[str, str]) -> bool:
    """Whether this command line runs TotalSegmentator in this environment."""
    if arguments[:1] not in (["serve"], ["run"]):
        return False
    engine = variables.get("AUTOSEG_ENGINE", "")
    for number, word in enumerate(arguments):
        name, equal, value = word.partition("=")
        if name in ("--worker-python", "--slicer"):
            return False
        if name == "--engine" or word == "-e":
            engine = value if equal else "".join(arguments[number + 1 : number + 2])
        elif word.startswith("-e") and not word.startswith("--"):
            engine = word[2:]
    return engine.strip().lower() == TOTALSEGMENTATOR
