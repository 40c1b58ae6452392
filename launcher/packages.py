"""``install cluster``, ``usdz`` and ``openvino``: packages into the program's own environment."""

from __future__ import annotations

from . import pins
from .environment import CLUSTER, OPENVINO, USDZ, Environment, Part
from .installer import say
from .trouble import Trouble

# name -> its requirements and what is lost without them.
PACKAGES: dict[str, tuple[Part, str]] = {
    CLUSTER.name: (CLUSTER, "a cluster"),
    USDZ.name: (USDZ, "results as USDZ"),
    OPENVINO.name: (OPENVINO, "faster networks on the CPU"),
}


def main(environment: Environment, name: str) -> int:
    """``install NAME``; returns the exit code. Raises :class:`~.trouble.Trouble`."""
    part, purpose = PACKAGES[name]
    if not pins.applying(pins.read(part.path), pins.this_machine()):
        raise Trouble(f"There is no ready-made package for {purpose} for this Python and system.")
    environment.ensure(part)
    environment.set_extra(name, {"fingerprint": part.fingerprint})
    say(f"The packages for {purpose} are there.")
    return 0


def bring_along(environment: Environment) -> None:
    """Where new pins made the environment again, install them again; a failure stops nothing."""
    for name, (part, purpose) in PACKAGES.items():
        if name not in environment.extras() or environment.is_ready(part):
            continue
        try:
            main(environment, name)
        except Trouble as error:
            say(f"\n{error}\nIt goes on without {purpose}. Try again with: python3 autoseg.py install {name}")
