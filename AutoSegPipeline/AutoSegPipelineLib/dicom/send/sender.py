"""The part of the dicom child that empties the outbox: a thread for each peer that has something to get."""

from __future__ import annotations

import logging
import sqlite3
import threading
from typing import Callable

from ...core.error_origin import origin_of
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.pacs.config import PacsConfig, Peer
from ...core.pacs.sends import Send
from ...core.pacs.store import PacsStore
from ..context import Context
from .delivery import NotReady, deliver
from .outbox import FOLDER, Outbox, folder_of

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
NOT_READY_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
# What does not come right by itself: nothing is tried again until somebody asks.
FINAL = {
    "pacs.no_source_headers", "pacs.missing_result", "pacs.patient_mismatch", "request.unknown_job",
    "pacs.packages_missing", "dicom.burned_in", "dicom.cannot_deidentify", "dicom.identity_left",
}  # fmt: skip
_FEW_TRIES = 5
# A killed child is worth another try, not one for three days.
_FEW = {"pacs.objects_failed", "pipeline.internal"}

Deliver = Callable[[Context, PacsStore, Send], None]


class Sender:
    """A peer that is away, slow or full holds up nothing but what is for it."""

    name = "sender"

    def __init__(self, context: Context, deliver: Deliver = deliver) -> None:
        self._context = context
        self._deliver = deliver
        self._busy: set[str] = set()
        self._away: dict[str, int] = {}  # how often in a row nobody answered
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sends", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier process was sending is sent again."""
        pacs = self._context.pacs_store()
        try:
            pacs.sends.begin_again()
            kept = {str(send.id) for send in pacs.sends.waiting()}
            left = self._context.home.state / FOLDER
            for folder in left.iterdir() if left.is_dir() else ():
                if folder.name not in kept:
                    remove_tree(folder)
        finally:
            pacs.close()
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is under way ends with the process and is sent after the next start."""
        self._thread.join(5)

    def _run(self) -> None:
        store, pacs = self._context.store(), self._context.pacs_store()
        try:
            outbox = Outbox(self._context.home, store, pacs)
            while not self._context.ended.wait(LOOK_SECONDS):
                try:
                    outbox.follow()
                    self._give_up(pacs)
                    for peer in pacs.sends.due_peers():
                        self._begin(peer)
                except Exception as error:  # the thread's boundary: a full disk, a locked store
                    log.error("the outbox could not be read (%s); it is tried again", origin_of(error))
                    self._context.ended.wait(FIRST_WAIT)
        finally:
            store.close()
            pacs.close()

    def _begin(self, peer: str) -> None:
        with self._lock:
            if peer in self._busy:
                return
            self._busy.add(peer)
        threading.Thread(target=self._serve, args=(peer,), name=f"send to {peer}", daemon=True).start()

    def _serve(self, peer: str) -> None:
        try:
            pacs = self._context.pacs_store()
            try:
                while not self._context.ended.is_set():
                    send = pacs.sends.take(peer)
                    if send is None:
                        return
                    self._try(pacs, send)
            finally:
                pacs.close()
        except Exception as error:  # the thread's boundary: a full disk, a locked store
            log.error("sending to %s broke off (%s); it is tried again", peer, origin_of(error))
            self._begin_again(peer)
        finally:
            with self._lock:
                self._busy.discard(peer)

    def _begin_again(self, peer: str) -> None:
        """Let what was being sent to ``peer`` wait again, as soon as the store can be written."""
        while not self._context.ended.wait(FIRST_WAIT):
            try:
                pacs = self._context.pacs_store()
                try:
                    pacs.sends.begin_again(peer)
                    return
                finally:
                    pacs.close()
            except (sqlite3.Error, OSError) as error:
                log.error("the outbox could not be written (%s); it is tried again", origin_of(error))

    def _try(self, pacs: PacsStore, send: Send) -> None:
        try:
            self._deliver(self._context, pacs, send)
        except NotReady:
            pacs.sends.wait(send.id, NOT_READY_SECONDS)
        except PipelineError as error:
            self._did_not_work(pacs, send, error)
        except Exception as error:  # a mistake of ours must not stop what else goes to the peer
            log.error("sending %s to %s failed: %s", send.job, send.peer, origin_of(error))
            self._did_not_work(pacs, send, PipelineError("pipeline.internal", type(error).__name__))
        else:
            self._away.pop(send.peer, None)
            pacs.sends.sent(send)
            pacs.peers.sent(send.peer)
            remove_tree(folder_of(self._context.home, send.id))
            log.info("%s has the results of %s", send.peer, send.job)

    def _did_not_work(self, pacs: PacsStore, send: Send, error: PipelineError) -> None:
        if error.code in FINAL or (error.code in _FEW and send.tries + 1 >= _FEW_TRIES):
            self._fail(pacs, send, error)
            return
        away = error.code == "pacs.peer_away"
        before = self._away.get(send.peer, 0) if away else send.tries
        seconds = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(before, 20))
        log.warning("%s; the results of %s are tried again in %.0f s", error.message, send.job, seconds)
        pacs.sends.postpone(send, error, seconds)
        if away:
            self._away[send.peer] = before + 1
            pacs.sends.postpone_peer(send.peer, seconds, error)
        else:
            self._away.pop(send.peer, None)

    def _give_up(self, pacs: PacsStore) -> None:
        config: PacsConfig = self._context.config()
        now = self._context.clock.now()
        for send in pacs.sends.waiting():
            hours = config.peers.get(send.peer, Peer()).give_up_hours
            if (send.tries == 0 and send.error is None) or now - send.since <= hours * 3600:
                continue
            why = (send.error or {}).get("message", "")
            error = PipelineError("pacs.gave_up", f"given up after {hours:g} hours; the last reason: {why}")
            self._fail(pacs, send, error)

    def _fail(self, pacs: PacsStore, send: Send, error: PipelineError) -> None:
        # The row raises an alarm, which the pipeline logs and shows and the web reports.
        pacs.sends.fail(send, error)
        remove_tree(folder_of(self._context.home, send.id))
