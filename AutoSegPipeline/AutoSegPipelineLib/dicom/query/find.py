"""Search a peer: C-FIND or QIDO-RS, with a limit; and ask whether it is there."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterator, Sequence

from ...core.errors import PipelineError
from ...core.pacs.config import PacsConfig, Peer
from ...core.pacs.query import Found, FoundSeries, StudyQuery, newest_first
from .. import libraries
from ..connect import CANCELLED, PENDING, SUCCESS, Wanted, association, failed
from ..web_peer import web_client
from .identifiers import dataset_of, series_of, series_question, study_of, study_question

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_STUDIES = 200
MOST_SERIES = 2000
ECHOES_AT_ONCE = 8


def find_studies(name: str, peer: Peer, query: StudyQuery, most: int = MOST_STUDIES) -> Found:
    """At most ``most`` studies. Raises as :func:`..connect.association` and ``pacs.peer_failed``."""
    studies, more = {}, False
    for question in query.each_modality():
        answers = _answers(name, peer, "STUDY", study_question(question), most + 1)
        studies.update({one.uid: one for one in map(study_of, answers) if one.uid and query.takes(one)})
        more = more or len(answers) > most
    return Found(newest_first(list(studies.values()))[:most], more or len(studies) > most)


def find_series(name: str, peer: Peer, study: str) -> list[FoundSeries]:
    """The series of a study, by number."""
    answers = _answers(name, peer, "SERIES", series_question(study), MOST_SERIES)
    series = {one.uid: one for one in map(series_of, answers) if one.uid}
    return sorted(series.values(), key=lambda one: (one.number is None, one.number or 0, one.uid))


def echo(name: str, peer: Peer) -> None:
    """C-ECHO, or the question for one study over DICOMweb. Raises as :func:`find_studies`."""
    if peer.use == "web":
        with web_client(name, peer) as client:
            client.search_for_studies(limit=1)
        return
    from pynetdicom import build_context
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

    with association(name, peer, Wanted([build_context(Verification)], answer_seconds=20.0)) as link:
        status = link.send_c_echo()
        if getattr(status, "Status", None) != SUCCESS:
            raise failed(name, "C-ECHO", getattr(status, "Status", None))


@dataclass(frozen=True)
class Echo:
    """How a peer answered: after how many seconds, and what went wrong, if anything did."""

    name: str
    seconds: float
    error: PipelineError | None


def echo_all(config: PacsConfig, names: Sequence[str]) -> list[Echo]:
    """Ask several peers at once, so that one that is away delays no other."""
    libraries.load()

    def ask(name: str) -> Echo:
        began = time.monotonic()
        try:
            echo(name, config.peer(name))
        except PipelineError as error:
            return Echo(name, time.monotonic() - began, error)
        return Echo(name, time.monotonic() - began, None)

    with ThreadPoolExecutor(ECHOES_AT_ONCE) as pool:
        return list(pool.map(ask, names))


def _answers(name: str, peer: Peer, level: str, question: dict[str, str], most: int) -> list[Dataset]:
    find = _qido if peer.use == "web" else _c_find
    return list(find(name, peer, level, question, most))


def _c_find(name: str, peer: Peer, level: str, question: dict[str, str], most: int) -> Iterator[Dataset]:
    from pynetdicom import build_context
    from pynetdicom.sop_class import (  # type: ignore[attr-defined]
        StudyRootQueryRetrieveInformationModelFind as MODEL,
    )

    with association(name, peer, Wanted([build_context(MODEL)])) as link:
        count, cancelled = 0, False
        for status, answer in link.send_c_find(dataset_of(level, question), MODEL):
            code = getattr(status, "Status", None)
            if code in PENDING:
                count += 1
                if answer is not None and count <= most:
                    yield answer
                if count == most:  # the rest is not wanted; some peers send it anyway
                    cancelled = True
                    link.send_c_cancel(1, query_model=MODEL)
                if count > most + 5000:
                    link.abort()
                    return
            elif code == SUCCESS or (code == CANCELLED and cancelled):
                return
            else:
                raise failed(name, "C-FIND", code)


def _qido(name: str, peer: Peer, level: str, question: dict[str, str], most: int) -> Iterator[Dataset]:
    from pydicom import Dataset

    fields = [key for key, value in question.items() if not value]
    wanted = {key: value for key, value in question.items() if value}
    with web_client(name, peer) as client:
        if level == "SERIES":
            study = wanted.pop("StudyInstanceUID")
            found = client.search_for_series(study, fields=fields, search_filters=wanted, limit=most)
        else:
            found = client.search_for_studies(fields=fields, search_filters=wanted, limit=most)
        for one in itertools.islice(found, most):
            try:
                yield Dataset.from_json(one)
            except Exception as error:  # pydicom raises what its parser meets
                raise PipelineError("pacs.peer_failed", f"{name} answered QIDO-RS with no DICOM") from error
