"""``dicom``: the PACS. A file for each command."""

from __future__ import annotations

from typing import ClassVar

import click

from ...lazy_group import LazyGroup


class Group(LazyGroup):
    """The commands below ``dicom``."""

    package = __name__
    functions: ClassVar = {
        "status": "status.status",
        "find": "find.find",
        "get": "get.get",
        "echo": "echo.echo",
        "send": "send.send",
        "sends": "send.sends",
        "test": "self_test.test",
        "explain": "explain.explain",
        "deidentify": "privacy.deidentify",
        "reidentify": "privacy.reidentify",
        "write": "write.write",
    }


@click.group("dicom", cls=Group)
def dicom() -> None:
    """Exchange DICOM with a PACS.

    Who may send, where results go and what is fetched stands in dicom.json in the home.

    \b
    Examples:
      autoseg serve --dicom
      autoseg dicom status
      autoseg dicom find pacs --patient 4711
    """
