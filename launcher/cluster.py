"""``install cluster``: what sends bundles to Slurm, into the program's own environment."""

from __future__ import annotations

from .environment import CLUSTER, Environment
from .installer import say
from .trouble import Trouble

COMMAND = f"python3 autoseg.py install {CLUSTER.name}"


def main(environment: Environment) -> int:
    """``install cluster``; returns the exit code. Raises :class:`~.trouble.Trouble`."""
    environment.ensure(CLUSTER)
    environment.set_extra(CLUSTER.name, {"fingerprint": CLUSTER.fingerprint})
    say("The packages for a cluster are there.")
    return 0


def bring_along(environment: Environment) -> None:
    """Where new pins made the environment again, install it again; a failure stops nothing."""
    if CLUSTER.name not in environment.extras() or environment.is_ready(CLUSTER):
        return
    try:
        main(environment)
    except Trouble as error:
        say(f"\n{error}\nIt goes on without a cluster. Try again with: {COMMAND}")
