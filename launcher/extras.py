"""``install totalsegmentator`` or ``nnunet``: an engine into the program's own environment, after asking
which torch.

``install viewer`` is in :mod:`.viewer`; ``cluster``, ``usdz`` and ``openvino`` are in :mod:`.packages`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Iterable, Mapping

from . import packages, viewer
from .environment import BASE, Environment
from .extra_table import EXTRAS, TOTALSEGMENTATOR, Extra
from .installer import WHEELS_ONLY, PipProgress, clean_environment, pip_command, run, say
from .torch_build import CPU_GB, CUDA_GB, Declined, Torch, has_gpu, parse_torch, usual
from .trouble import Trouble, check_space

# Packages of the extras that exist as source only; pure Python, so they need no compiler.
_SOURCE = ("acvl-utils",)


def on_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def main(environment: Environment, arguments: list[str]) -> int:
    """``install NAME [--torch BUILD] [--yes]``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="autoseg.py install", description="Add what is not there from the start."
    )
    parser.add_argument("what", choices=[*EXTRAS, viewer.VIEWER, *packages.PACKAGES])
    parser.add_argument("--torch", metavar="BUILD", help="cpu, cuda, or a requirement, with options of pip")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(arguments)
    if given.what == viewer.VIEWER:
        return viewer.main(environment)
    if given.what in packages.PACKAGES:
        return packages.main(environment, given.what)
    try:
        return _install(environment, EXTRAS[given.what], given.torch, given.yes)
    except Declined as error:
        say(str(error))
        return 2


def _install(environment: Environment, extra: Extra, build: str | None, yes: bool) -> int:
    torch = parse_torch(build) if build else None
    if not yes and not on_terminal() and not is_whole(environment, extra):
        raise Declined(
            f"{extra.title} brings torch, {CPU_GB} to {CUDA_GB} GB in all, and nobody is here to be "
            "asked. Say it with\n"
            f"  {extra.command} --torch cpu|cuda|'REQUIREMENT' --yes"
        )
    environment.ensure()
    there = environment.extras().get(extra.name)
    if there and is_whole(environment, extra) and (torch is None or there["torch"] == torch.text):
        say(f"{extra.title} is there already: {check(environment, extra)}")
        return 0
    if torch is None:
        known = torch_here(environment)  # one torch serves every extra
        torch = parse_torch(known or (usual() if yes else ask_torch(extra)))
    if not yes and not _confirmed(extra, torch):
        raise Declined("Nothing was installed.")
    install(environment, torch, extra)
    return 0


def torch_here(environment: Environment) -> str:
    """The build of torch that is installed with some extra, in the words of ``--torch``; else empty."""
    return next((about["torch"] for about in with_torch(environment).values()), "")


def with_torch(environment: Environment) -> dict[str, dict[str, str]]:
    """The extras that compute with torch, as :meth:`~.environment.Environment.set_extra` took them."""
    return {name: about for name, about in environment.extras().items() if "torch" in about}


def ask_torch(extra: Extra) -> str:
    """Ask on the terminal which build of torch; the answer in the words of ``--torch``."""
    suits = "an NVIDIA GPU is here" if has_gpu() else "no NVIDIA GPU was found"
    say(
        f"{extra.title} computes with torch. Which build ({suits})?\n"
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


def _confirmed(extra: Extra, torch: Torch) -> bool:
    packages = ", ".join([*torch.requirements, extra.title])
    say(f"This downloads and unpacks {packages} (about {torch.gigabytes} GB on the disk).")
    return _answer("Go on? [y/N] ").lower() in ("y", "yes")


def _answer(question: str) -> str:
    # input() would write the question to standard output, which may be a document for a program.
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def is_whole(environment: Environment, extra: Extra) -> bool:
    """Whether the extra was installed to its end, with the pins of now."""
    there = environment.extras().get(extra.name) if environment.is_ready() else None
    return there is not None and there["fingerprint"] == extra.fingerprint


def install(environment: Environment, torch: Torch, extra: Extra) -> None:
    """Install the extra and torch in one pip command, check them, and mark them as complete.

    Raises :class:`~.trouble.Trouble`.
    """
    began = time.monotonic()
    with environment.locked() as lock:
        before = with_torch(environment)
        check_space(environment.path, (torch.gigabytes + 1) * 10**9)  # pip unpacks beside
        pip = pip_command(environment.python)
        asked = [*WHEELS_ONLY, "--prefer-binary", "--no-binary", ",".join(_SOURCE)]
        asked += ["--constraint", str(BASE.path), *torch.options]
        asked += ["-r", str(extra.requirements), *torch.requirements]
        say(f"Packages of {extra.title}, with {' and '.join(torch.requirements)}:")
        try:
            if any(about["torch"] != torch.text for about in before.values()):
                # pip takes 2.14.1+cpu for 2.14.1 and would leave the other build where it is. What is
                # there goes only once the new one is known to be had.
                run([*pip, "install", "--dry-run", *asked], lambda line: None, environment.path, (lock.fd,))
                gone = [*pip, "uninstall", "--yes", "torch", "torchvision"]
                _unmark(environment, torch, before)
                run(gone, lambda line: None, environment.path, (lock.fd,))
            _unmark(environment, torch, [extra.name] if extra.name in before else [])
            run([*pip, "install", *asked], PipProgress(0, say).feed, environment.path, (lock.fd,))
        except Trouble as error:
            raise _explained(error, torch, extra) from error
        found = check(environment, extra)
        environment.set_extra(extra.name, {"torch": torch.text, "fingerprint": extra.fingerprint})
        for name, about in before.items():  # they compute with the same torch now
            if name != extra.name:
                environment.set_extra(name, {**about, "torch": torch.text})
    say(f"Installed in {time.monotonic() - began:.0f} s: {found}")
    say(extra.then)


def _unmark(environment: Environment, torch: Torch, names: Iterable[str]) -> None:
    """Until the end these do not count as complete; they stay wanted."""
    for name in names:
        environment.set_extra(name, {"torch": torch.text, "fingerprint": ""})


def _explained(error: Trouble, torch: Torch, extra: Extra) -> Trouble:
    text = str(error)
    lacks = ("No matching distribution found for", "Cannot install")
    if any(f"{words} {one}" in text for words in lacks for one in torch.requirements):
        return Trouble(
            f"{text}\nThe package index in use has no such torch for this machine. PyTorch's installation "
            "page names the index that has it; give it behind the build:\n"
            f"  {extra.command} --torch '{torch.text.split()[0]} --extra-index-url URL'\n"
            f"Where there is an NVIDIA GPU, or {CUDA_GB} GB are no matter: --torch cuda (it computes "
            "on the CPU too)."
        )
    return error


def check(environment: Environment, extra: Extra) -> str:
    """What works, in one line; raises :class:`~.trouble.Trouble` where the packages do not fit together."""
    answer = subprocess.run(
        [str(environment.python), "-I", "-c", extra.check],
        capture_output=True, encoding="utf-8", errors="replace", env=clean_environment(), check=False,
    )  # fmt: skip
    lines = answer.stdout.strip().splitlines()
    if answer.returncode or not lines:
        said = " ".join(answer.stderr.strip().splitlines()[-1:]) or f"exit code {answer.returncode}"
        raise Trouble(
            f"{extra.title} was installed and does not work: {said}\n"
            "Most often torch and torchvision are of different builds. Name both, of one build:\n"
            f"  {extra.command} --torch 'torch==... torchvision==...'"
        )
    torch, vision, device = lines[-1].split("|")
    return f"torch {torch}, torchvision {vision}, computes on {device}."


def bring_along(environment: Environment) -> None:
    """Where new pins made the environment again, the extras that the user had come too.

    A failure is reported and does not keep the program from starting.
    """
    for extra in EXTRAS.values():
        wanted = environment.extras().get(extra.name)
        if wanted is None or is_whole(environment, extra):
            continue
        say(f"{extra.title} was installed here before (torch: {wanted['torch']}) and is brought up to date.")
        try:
            install(environment, parse_torch(wanted["torch"]), extra)
        except (Trouble, Declined) as error:
            environment.set_extra(extra.name, None)
            say(f"\n{error}\nIt goes on without {extra.title}. Try again with: {extra.command}")


def offer(environment: Environment, arguments: list[str]) -> None:
    """Before ``serve`` or ``run`` with an engine: ask whether to install it where it is missing."""
    if not on_terminal():
        return  # the program itself says what is missing
    for extra in wanted_extras(arguments, os.environ):
        if is_whole(environment, extra) or (extra is not TOTALSEGMENTATOR and _brought(environment)):
            continue
        say(f"{extra.title} is not installed here.")
        if _answer("Install it now? [y/N] ").lower() in ("y", "yes"):
            try:
                _install(environment, extra, None, False)
            except Declined as error:
                say(str(error))


def _brought(environment: Environment) -> bool:
    """Whether nnU-Net is here already, with TotalSegmentator."""
    return is_whole(environment, TOTALSEGMENTATOR)


def wanted_extras(arguments: list[str], variables: Mapping[str, str]) -> list[Extra]:
    """The extras whose engines this command line runs in this environment."""
    if arguments[:1] not in (["serve"], ["run"]):
        return []
    engine = variables.get("AUTOSEG_ENGINE", "")
    for number, word in enumerate(arguments):
        name, equal, value = word.partition("=")
        if name in ("--worker-python", "--slicer"):
            return []
        if name == "--engine" or word == "-e":
            engine = value if equal else "".join(arguments[number + 1 : number + 2])
        elif word.startswith("-e") and not word.startswith("--"):
            engine = word[2:]
    names = [part.partition(":")[0].strip().lower() for part in engine.split(",")]
    return [extra for extra in EXTRAS.values() if extra.name in names]
