"""What ``install NAME`` can add, and whether it works once it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import pins
from .places import REQUIREMENTS

# Imports alone hide a broken pair: only the search for the trainer's class loads every module of nnU-Net.
_CHECK = """
import os, torch, torchvision, {imports}
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class
torch.ops.torchvision.nms
place = os.path.join(nnunetv2.__path__[0], "training", "nnUNetTrainer")
found = recursive_find_python_class(place, {trainer!r}, "nnunetv2.training.nnUNetTrainer")
assert found is not None, "nnU-Net does not find its trainer class"
gpu = torch.cuda.is_available() and torch.cuda.get_device_name(0)
mps = getattr(torch.backends, "mps", None) and torch.backends.mps.is_available()
print(torch.__version__, torchvision.__version__, gpu or ("Apple's GPU" if mps else "the CPU"), sep="|")
"""


@dataclass(frozen=True)
class Extra:
    """An engine that computes with torch: ``name`` is its word and its file in ``requirements/``.

    ``imports`` and ``trainer`` are what :attr:`check` loads; ``then`` says what comes after.
    """

    name: str
    title: str
    imports: str
    trainer: str
    then: str

    @property
    def command(self) -> str:
        """What one types to install it."""
        return f"python3 autoseg.py install {self.name}"

    @property
    def check(self) -> str:
        """A program for the environment's Python that ends well where the extra works."""
        return _CHECK.format(imports=self.imports, trainer=self.trainer)

    @property
    def requirements(self) -> Path:
        """Its pins, without torch's."""
        return REQUIREMENTS / f"{self.name}.txt"

    @property
    def fingerprint(self) -> str:
        """Changes with its pins and those of torch."""
        return pins.fingerprint([self.requirements, REQUIREMENTS / "torch.txt"])


TOTALSEGMENTATOR = Extra(
    "totalsegmentator",
    "TotalSegmentator",
    "nnunetv2, totalsegmentator",
    "nnUNetTrainerNoMirroring",
    "Its weights: python3 autoseg.py weights --help; --download-weights fetches them with a case",
)
NNUNET = Extra(
    "nnunet",
    "nnU-Net",
    "nnunetv2",
    "nnUNetTrainer",
    "Your models: python3 autoseg.py models add --help",
)
EXTRAS: dict[str, Extra] = {extra.name: extra for extra in (TOTALSEGMENTATOR, NNUNET)}
