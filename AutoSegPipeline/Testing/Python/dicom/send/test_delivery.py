"""How a segmentation is encoded: by setting, by negotiation, by a refusal, and then as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.pacs.config import PacsConfig, Peer, WebAccess
from AutoSegPipelineLib.core.pacs.sends import Send, SentObject
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.dicom.context import Context, LiveConfig
from AutoSegPipelineLib.dicom.send import delivery
from AutoSegPipelineLib.dicom.send.sender import FINAL
from support.dicom_peers import (
    EXPLICIT,
    LABELMAP_SEG,
    RLE,
    SEG,
    failed_answer,
    storage,
    stored_answer,
    web_storage,
    write_object,
)

JPEG_LS = "1.2.840.10008.1.2.4.80"


class Outgoing:
    """One send to a peer that a test describes; what is made for it counts, and is no work."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = Home.at(root)
        home.create()
        self._context = Context(home, Settings({}, {}), LiveConfig(home))
        self.pacs: PacsStore = self._context.pacs_store()
        self.made: list[str] = []
        self._config = PacsConfig()
        monkeypatch.setattr(delivery, "make_objects", self._make)
        monkeypatch.setattr(delivery, "_check", lambda *_: None)
        monkeypatch.setattr(delivery, "_job", lambda *_: Job())
        monkeypatch.setattr(LiveConfig, "__call__", lambda _: self._config)

    def _make(self, context: Context, send: Send, peer: Peer, job: Job, folder: Path) -> list[SentObject]:
        self.made.append(send.encoding)
        binary = send.encoding == "binary"
        return [write_object(folder, "seg", SEG if binary else LABELMAP_SEG, EXPLICIT if binary else RLE)]

    def deliver(self, peer: Peer) -> Send:
        """Try it, as the outbox would; the row as it then is."""
        self._config = PacsConfig(peers={"pacs": peer})
        self.pacs.sends.want_again("j1", "pacs", "monday")
        send = self.pacs.sends.take("pacs")
        assert send is not None
        try:
            delivery.deliver(self._context, self.pacs, send)
            self.pacs.sends.sent(send)
        except PipelineError as error:
            self.pacs.sends.fail(send, error)
            raise
        found = self.pacs.sends.get(send.id)
        assert found is not None
        return found

    def encoded(self, peer: Peer) -> Send:
        """Decide only how it goes."""
        number = self.pacs.sends.want("j1", "pacs", "monday")
        send = self.pacs.sends.get(number)
        assert send is not None
        delivery._with_encoding(self.pacs, send, peer)
        found = self.pacs.sends.get(number)
        assert found is not None
        return found


@pytest.fixture
def outgoing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outgoing]:
    found = Outgoing(tmp_path, monkeypatch)
    yield found
    found.pacs.close()


def dimse(port: int, **values: Any) -> Peer:
    return Peer(title="STORAGE", host="127.0.0.1", port=port, **values)


def test_negotiation_decides_and_the_setting_before_it(outgoing: Outgoing) -> None:
    with storage() as (port, got):
        assert outgoing.deliver(dimse(port)).encoding == "labelmap"
    with storage(classes=(SEG,)) as (port, _), pytest.raises(PipelineError) as caught:
        outgoing.deliver(dimse(port))
    assert caught.value.code == "pacs.not_taken", "what was acknowledged is not sent in another form"
    assert [str(one.SOPClassUID) for one in got] == [LABELMAP_SEG]


def test_single_bits_where_label_maps_are_not_negotiated_or_not_wanted(outgoing: Outgoing) -> None:
    with storage(classes=(SEG,)) as (port, got):
        with pytest.raises(PipelineError, match="negotiates no label maps"):
            outgoing.deliver(dimse(port, seg="labelmap"))
        assert outgoing.made == [] and outgoing.deliver(dimse(port)).encoding == "binary"
    with storage() as (port, again):
        assert outgoing.deliver(dimse(port)).encoding == "binary", "the peer has learned label maps meanwhile"
    assert outgoing.made == ["binary"], "it was made once and sent twice"
    assert got[0].SOPInstanceUID == again[0].SOPInstanceUID


@pytest.mark.parametrize("status", [409, 500])
def test_over_the_web_a_refused_label_map_goes_as_single_bits(outgoing: Outgoing, status: int) -> None:
    first: list[str] = []

    def answer(uid: str) -> tuple[int, Any]:
        first.append(uid)
        return (status, failed_answer(uid, 0x0122)) if uid == first[0] else (200, stored_answer(uid))

    with web_storage(answer) as (url, _):
        peer = Peer(use="web", web=WebAccess(url))
        assert outgoing.deliver(peer).encoding == "binary"
        outgoing.deliver(peer)
    assert outgoing.made == ["labelmap", "binary"]
    assert len(set(first)) == 2 and first[1] == first[2]
    assert outgoing.pacs.sent_uids.holds(first[0]) and outgoing.pacs.sent_uids.holds(first[1])


def test_a_label_map_that_the_setting_demands_is_not_replaced(outgoing: Outgoing) -> None:
    with web_storage(lambda uid: (409, failed_answer(uid, 0x0122))) as (url, came):
        with pytest.raises(PipelineError, match="reason 0122"):
            outgoing.deliver(Peer(use="web", web=WebAccess(url), seg="labelmap"))
        assert len(came) == 1


@pytest.mark.parametrize(
    ("writes", "encoding"), [((), "binary"), (("rle", ""), "binary"), (("jpegls",), "labelmap")]
)
def test_only_what_this_python_writes_is_offered(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch, writes: tuple[str, ...], encoding: str
) -> None:
    """The peer takes label maps in JPEG-LS only."""
    monkeypatch.setattr(delivery, "label_map_compressions", lambda: writes)
    with storage(syntaxes=(JPEG_LS,)) as (port, _):
        found = outgoing.encoded(dimse(port))
    assert (found.encoding, found.compression) == (encoding, "jpegls" if encoding == "labelmap" else "")


def test_without_label_maps_the_web_gets_single_bits_and_a_demand_ends_at_once(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "label_map_compressions", lambda: ())
    with web_storage(lambda uid: (200, stored_answer(uid))) as (url, came):
        with pytest.raises(PipelineError, match="needs highdicom") as caught:
            outgoing.deliver(Peer(use="web", web=WebAccess(url), seg="labelmap"))
        assert caught.value.code in FINAL and came == []
        assert outgoing.deliver(Peer(use="web", web=WebAccess(url))).encoding == "binary"
    assert outgoing.made == ["binary"] and len(came) == 1


def test_a_label_map_that_an_upgrade_made_impossible_is_decided_again(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer(use="web", web=WebAccess("http://127.0.0.1:1/dicom-web"))
    assert outgoing.encoded(peer).encoding == "labelmap"
    monkeypatch.setattr(delivery, "label_map_compressions", lambda: ())
    assert outgoing.encoded(peer).encoding == "binary"
