"""``dicom``: the PACS. A file for each command."""

from __future__ import annotations

import click

from .echo import echo
from .explain import explain
from .find import find
from .get import get
from .privacy import deidentify, reidentify
from .self_test import test
from .send import send, sends
from .status import status
from .write import write


@click.group("dicom")
def dicom() -> None:
    """Exchange DICOM with a PACS.

    Who may send, where results go and what is fetched stands in dicom.json in the home.

    \b
    Examples:
      autoseg serve --dicom
      autoseg dicom status
      autoseg dicom find pacs --patient 4711
    """


for command in (status, find, get, echo, send, sends, test, explain, deidentify, reidentify, write):
    dicom.add_command(command)
