"""``dicom.json``: what it may hold, and what its mistakes are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import FILE, Entry, PacsConfig, parse_config, read_config

FULL: dict[str, Any] = {
    "receiver": {"host": "0.0.0.0", "port": 104, "tls_cert": "a", "tls_key": "b", "tls_ca": "c"},
    "entries": [{"title": "FAST", "options": {"quality": "fast"}, "send_to": ["pacs"], "unit": "study"}],
    "callers": [{"title": "CT1", "address": "10.0.0.0/24", "certificate": "sha256:" + "0" * 64}],
    "peers": {
        "pacs": {"title": "ORTHANC", "host": "10.0.0.2", "port": 4242},
        "cloud": {"use": "web", "web": {"url": "https://pacs.example/dicom-web"}, "seg": "labelmap"},
    },
    "watch": [{"name": "chests", "peer": "pacs", "match": {"modality": "CT"}, "entry": "FAST"}],
}


def changed(**values: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(FULL)), **values}


def test_nothing_is_a_receiver_that_takes_nothing(tmp_path: Path) -> None:
    config = read_config(tmp_path)
    assert config == PacsConfig()
    assert config.callers == [] and config.receiver.host == "127.0.0.1"


def test_a_complete_file_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(FULL), encoding="utf-8-sig")
    config = read_config(tmp_path)
    assert config.entry("FAST") is config.entries[0]
    entry = config.entry("AUTOSEG")
    assert entry is not None and entry.options == {} and entry.quiet_seconds == 60
    assert config.entry("OTHER") is None
    assert config.peer("cloud").web is not None and config.peer("pacs").objects == ["seg", "report"]
    with pytest.raises(PipelineError, match=r"did you mean 'cloud'") as caught:
        config.peer("clod")
    assert caught.value.code == "pacs.unknown_peer"


WEB = {"use": "web", "web": {"url": "https://pacs.example/dicom-web"}}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"reciever": {}}, "no key 'reciever'; did you mean 'receiver'"),
    ({"receiver": {"prot": 1}}, "receiver: there is no key 'prot'; did you mean 'port'"),
    ({"peers": {"pacs": {"titel": "A"}}}, "peers 'pacs': there is no key 'titel'; did you mean 'title'"),
    ({"peers": {"a": {"use": "web", "web": {"ulr": ""}}}}, "peers 'a': web: there is no key 'ulr'"),
    ({"callers": [{"title": "A", "adress": "1.2.3.4"}]}, "callers 1: there is no key 'adress'"),
    ({"receiver": {"port": "104"}}, "receiver.port is not a whole number"),
    ({"receiver": {"port": 70000}}, "70000 is no port"),
    ({"receiver": {"title": "A" * 17}}, "is no AE title"),
    ({"receiver": {"title": "A\\B"}}, "is no AE title"),
    ({"receiver": {"title": "   "}}, "is no AE title"),
    ({"receiver": {"tls_cert": "x.pem"}}, "tls_cert and tls_key together"),
    ({"receiver": {"tls_ca": "x.pem"}}, "receiver.tls_ca needs tls_cert and tls_key"),
    ({"callers": FULL["callers"]}, "caller 1: without receiver.tls_ca nobody shows a certificate"),
    ({"peers": {"pacs": {**WEB, "tls": True}}}, "tls, tls_ca and retrieve are for use dimse"),
    ({"peers": {"pacs": {**WEB, "tls_ca": "ca.pem"}}}, "web.tls_ca names the certificate"),
    ({"peers": {"pacs": {**WEB, "retrieve": "move"}}}, "for use dimse; with use web, web.url begins with"),
    ({"entries": [{"title": "A", "send_to": ["pax"]}], "peers": FULL["peers"]}, "did you mean 'pacs'"),
    ({"entries": [{"title": "A", "unit": "patient"}]}, "'patient' is not one of series, study"),
    ({"entries": [{"title": "A"}, {"title": "A"}]}, "two entries are called 'A'"),
    ({"entries": [{"title": "A", "quiet_seconds": 0}]}, "above 0"),
    ({"callers": [{"title": "A", "address": "somewhere"}]}, "'somewhere' is no address or network"),
    ({"callers": [{"title": "A", "address": "1.2.3.4", "certificate": "md5:1"}]}, "certificate is sha256:"),
    ({"peers": {"a": {"title": "A"}}}, "host is missing"),
    ({"peers": {"a": {"use": "web"}}}, "there is no web"),
    ({"peers": {"a": {"use": "web", "web": {"url": "ftp://a"}}}}, "begins with http"),
    ({"peers": {"a": {"title": "A", "host": "b", "objects": ["sge"]}}}, "did you mean 'seg'"),
    ({"watch": [{"name": "w", "peer": "x", "match": {"modality": "CT"}}]}, "there is no peer 'x'"),
    ({"watch": [{"name": "w", "peer": "pacs", "match": {}}], "peers": FULL["peers"]}, "complete archive"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_mistake_is_named_with_its_place(values: dict[str, Any], said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_config(values)
    assert caught.value.code == "pacs.configuration"
    assert caught.value.message.startswith(FILE) and said in caught.value.message


def test_wrong_options_of_an_entry_are_wrong_options() -> None:
    with pytest.raises(PipelineError, match="there is no option 'qualty'") as caught:
        parse_config({"entries": [{"title": "A", "options": {"qualty": "fast"}}]})
    assert caught.value.code == "options.unknown_key"


NO_JSON = [b"{", b'{"peers": {}, "peers": {}}', b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20)]


@pytest.mark.parametrize("data", NO_JSON, ids=range(len(NO_JSON)))
def test_a_file_that_is_no_json_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(PipelineError) as caught:
        read_config(tmp_path)
    assert caught.value.code == "pacs.configuration" and str(tmp_path) in caught.value.message


@pytest.mark.parametrize(
    "values, says",
    [
        ({"entries": [{"title": "A", "choose": [{"name": "r", "when": {"modalty": "CT"}}]}]}, "'modality'?"),
        ({"entries": [{"title": "A", "choose": [{"name": "r", "when": {}, "best": 1}]}]}, "needs unit study"),
        ({"privacy": {"prefix": "a b"}}, "privacy.prefix"),
        ({"privacy": {"table": "x.sqlite"}}, "absolute path"),
        ({"privacy": {"tabel": ""}}, "did you mean 'table'?"),
    ],
)
def test_rules_for_series_and_privacy_are_checked_with_the_file(values: object, says: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_config(values)
    assert says in caught.value.message
    assert "dicom.json" in caught.value.message


def test_send_to_of_an_entry_wins_over_that_among_its_options() -> None:
    options = {"quality": "fast", "send_to": ["old"]}
    assert Entry("A", options).job_options == options
    assert Entry("A", options, ["pacs"]).job_options == {"quality": "fast", "send_to": ["pacs"]}
