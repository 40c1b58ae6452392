"""The example scan that an account asks for on the empty page: what its job is called, and whose it is."""

from __future__ import annotations

from . import states
from .incoming import Intent, IntentFile
from .store import Store

NAME = "example_ct.nii.gz"
FILE = IntentFile(NAME, None, NAME, 2 << 20)  # its size, about, counts against the quota of its account
DOOR = "web"  # it belongs to its account as an upload does
_INPUT = "(example)"  # no client name looks like this


def intent_of(by: str) -> Intent:
    """The intent of one more example of ``by``, without its file.

    It is a CT, and nothing of it goes to an archive, whatever the settings and rules say.
    """
    return Intent(door=DOOR, by=by, input=_INPUT, label=NAME, options={"modality": "CT", "send_to": []})


def running(store: Store, by: str) -> str | None:
    """The id of the example of ``by`` that has not ended yet."""
    for job in store.jobs.list(states.WAITING | states.RUNNING, door=DOOR):
        if job.input == _INPUT and job.submitted_by == by:
            return job.id
    return None
