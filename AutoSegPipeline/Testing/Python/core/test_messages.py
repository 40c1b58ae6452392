"""Messages are read and checked at one edge: a round trip keeps them, a wrong one is a protocol error."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, TypedDict, Union

import pytest
from AutoSegPipelineLib.core.messages.child_messages import Done, Failed, Log, Message, Progress, Unknown
from AutoSegPipelineLib.core.messages.reader import ProtocolError, plain, read
from AutoSegPipelineLib.core.messages.worker_messages import CaseOrder, CaseResult, Described, RunCase
from AutoSegPipelineLib.core.protocol import MESSAGES, Envelope, decode, encode, from_line, to_line
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
st.register_type_strategy(object, JSON)
st.register_type_strategy(float, NUMBER)
st.register_type_strategy(str, TEXT)

messages = st.sampled_from(sorted(MESSAGES)).flatmap(lambda kind: st.from_type(MESSAGES[kind]))
envelopes = st.builds(
    Envelope, messages, st.just("job"), st.integers(0, 1 << 40), st.just("")
)  # without a job the attempt is not sent


@given(envelopes)
def test_every_message_comes_back_as_it_was(envelope: Envelope) -> None:
    assert decode(encode(envelope)) == envelope


@given(st.from_type(CaseOrder) | st.from_type(CaseResult))
def test_a_case_and_its_result_come_back_through_json(value: Any) -> None:
    assert read(type(value), json.loads(json.dumps(plain(value)))) == value


@given(envelopes, st.data())
def test_a_mutated_message_is_read_or_is_a_protocol_error(envelope: Envelope, data: st.DataObject) -> None:
    values = from_line(encode(envelope))
    for name in data.draw(st.sets(st.sampled_from(sorted(values)), min_size=1)):
        if data.draw(st.booleans()):
            del values[name]
        else:
            values[name] = data.draw(JSON)
    try:
        found = decode(json.dumps(values).encode())
    except ProtocolError as error:
        assert error.code == "worker.protocol"
    else:
        assert isinstance(found.message, Message) and isinstance(found.job, str)


@given(envelopes, st.data())
def test_a_mutated_line_is_read_or_is_a_protocol_error(envelope: Envelope, data: st.DataObject) -> None:
    line = bytearray(encode(envelope))
    for place in data.draw(st.lists(st.integers(0, len(line) - 1), min_size=1, max_size=4)):
        line[place] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(line))
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"type": "progress"}, "progress.fraction is missing"),
        ({"type": "progress", "fraction": "1"}, "progress.fraction is not a number"),
        ({"type": "progress", "fraction": True}, "progress.fraction is not a number"),
        ({"type": "progress", "fraction": 10**400}, "progress.fraction is not a number"),
        ({"type": "hello", "pid": 1.5}, "hello.pid is not a whole number"),
        ({"type": "failed", "error": {"code": 5}}, "failed.error.code is not text"),
        ({"type": "log", "text": "x", "attempt": "2"}, "attempt is not a whole number"),
        ({"type": "case"}, "case.case is missing"),
        ({"type": "done", "result_file": "nowhere.json"}, "the file of result cannot be read"),
        ({"type": "done", "result_file": 5}, "result is missing"),
        ({"type": "serve", "home": {"root": "/"}, "settings": {}}, "serve.home.inbox is missing"),
    ],
)
def test_the_error_names_the_field(fields: Dict[str, object], name: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(json.dumps({"v": 1, **fields}).encode())
    assert name in caught.value.message


@pytest.mark.parametrize("line", [b'{"v":1,"type":"progress","fraction":1e999}', b"[" * 60000])
def test_what_json_itself_cannot_bear_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(line)


def test_unknown_keys_are_ignored_and_unknown_types_are_passed_on() -> None:
    assert decode(to_line({"type": "log", "text": "x", "later": [1]})).message == Log("x")
    found = decode(to_line({"type": "later", "job": "j", "attempt": 2}))
    assert found == Envelope(Unknown("later"), "j", 2)


def test_the_lines_are_what_they_always_were() -> None:
    """The names are those of the wire: the other end may run under another Python."""
    assert from_line(encode(Envelope(Progress(0.5, "half"), "j", 3))) == {
        "v": 1, "type": "progress", "job": "j", "attempt": 3, "fraction": 0.5, "message": "half",
    }  # fmt: skip
    error = {"code": "job.cancelled", "message": "m", "hint": "h"}
    assert from_line(encode(Envelope(Failed(error)))) == {"v": 1, "type": "failed", "error": error}
    assert from_line(encode(Envelope(Done({"a": 1}, 10.5, 2), "describe"))) == {
        "v": 1, "type": "done", "job": "describe", "attempt": 0, "result": {"a": 1}, "rss_mb": 10.5,
        "models": 2,
    }  # fmt: skip
    commands, answers = (
        "case cancel describe guard quit serve task pack send_bundle all_sent give_up give_up_all settled",
        "hello stage progress log serving case_at case_done case_failed case_back cluster_state",
    )
    assert set(MESSAGES) == {*commands.split(), *answers.split(), "done", "failed", "heartbeat"}


def test_a_payload_too_long_for_a_line_goes_through_a_file(tmp_path: Path) -> None:
    long = {"names": ["n" * 100] * 1000}
    line = encode(Envelope(RunCase(long), "j", 1, str(tmp_path)))
    assert "case_file" in from_line(line) and "case" not in from_line(line)
    assert decode(line) == Envelope(RunCase(long), "j", 1)
    assert list(tmp_path.iterdir()) == []


class Named(TypedDict):
    name: str


class Document(Named, total=False):
    size: int


@dataclass(frozen=True)
class Inner:
    number: int


@dataclass(frozen=True)
class Everything:
    pair: Tuple[int, str]
    many: Tuple[float, ...]
    inner: List[Inner]
    named: Dict[str, Inner]
    document: Document
    either: Union[int, str]
    perhaps: Optional[Inner] = None
    anything: object = None


@given(st.from_type(Everything))
def test_the_reader_knows_every_kind_of_field(value: Everything) -> None:
    assert read(Everything, json.loads(json.dumps(plain(value)))) == value


@given(st.from_type(Everything), st.data())
def test_the_reader_raises_nothing_but_protocol_errors(value: Everything, data: st.DataObject) -> None:
    values = plain(value)
    name = data.draw(st.sampled_from([field.name for field in fields(Everything)]))
    values[name] = data.draw(JSON)
    try:
        read(Everything, values)
    except ProtocolError as error:
        assert error.message.startswith(f"Everything.{name}")


def test_a_document_keeps_what_it_has_beyond_the_known() -> None:
    document = {"engines": [{"name": "tissue", "ok": True, "devices": ["cpu"]}], "pipeline": 4}
    assert read(Described, document) == document
    with pytest.raises(ProtocolError, match=r"Described\.engines\[0\]\.name is missing"):
        read(Described, {"engines": [{}]})


def test_an_annotation_that_json_cannot_hold_is_a_defect_of_the_class() -> None:
    @dataclass
    class Wrong:
        where: Path

    Wrong.__annotations__["where"] = Path
    with pytest.raises(TypeError, match="Path"):
        read(Wrong, {"where": "x"})
