"""`serve` and its page, as a person at a console sees it."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.headless.doctor_web import page
from AutoSegPipelineLib.headless.findings import Finding
from AutoSegPipelineLib.headless.session import Session
from AutoSegPipelineLib.runtime.api import AutoSeg
from support.headless import SERVE, Running, autoseg, write_scan
from support.web import request

WEB = ("--web", "--port", "0")


def page_of(serving: Running) -> str:
    serving.wait_for("page     http://")
    found = re.search(r"page     (http://\S+)", serving.text)
    assert found is not None
    return found.group(1)


def findings(home: Path, **settings: Any) -> list[Finding]:
    """What `doctor` says about the page."""
    return list(page(Session({"home": home}), Settings.defaults(**{"port": 0, **settings})))


def test_doctor_says_whether_there_could_be_a_page(tmp_path: Path) -> None:
    (found,) = findings(tmp_path)
    assert found.status == "ok" and "is available" in found.text
    (found,) = findings(tmp_path, web=False)
    assert found.status == "ok" and "off" in found.text
    wrong, _ = findings(tmp_path, tls_cert=str(tmp_path / "no.pem"))
    assert wrong.status == "FAIL" and "no.pem" in wrong.text


def test_doctor_warns_of_sites_whose_frames_stay_empty(tmp_path: Path) -> None:
    sites = ["https://teaching.example.org"]
    warning, _ = findings(tmp_path, web_embed_sites=sites)
    assert warning.status == "warn" and "without TLS" in warning.text
    (found,) = findings(tmp_path, web_embed_sites=sites, trusted_proxy=["127.0.0.1"])
    assert found.status == "ok"
    (found,) = findings(tmp_path, web_embed_sites=["http://localhost:9000"])
    assert found.status == "ok"
    (found,) = findings(tmp_path, web_embed_sites=sites, web=False)
    assert "off" in found.text


def open_port(url: str) -> bool:
    port = int(url.rsplit(":", 1)[1].strip("/"))
    with socket.socket() as trial:
        trial.settimeout(2)
        return trial.connect_ex(("127.0.0.1", port)) == 0


def test_serve_says_where_its_page_is_and_so_do_status_and_doctor(tmp_path: Path) -> None:
    with Running("--home", tmp_path, *SERVE, *WEB) as serving:
        url = page_of(serving)
        assert json.load(urllib.request.urlopen(f"{url}healthz"))["ready"] is True
        assert json.loads(autoseg("--home", tmp_path, "status", "--json").stdout)["web"]["url"] == url
        assert url in autoseg("--home", tmp_path, "status").stdout
        assert [(found.status, url in found.text) for found in findings(tmp_path)] == [("ok", True)]
        assert autoseg("--home", tmp_path, "stop").returncode == 0
        assert serving.end() == 0
    assert not open_port(url)
    assert json.loads(autoseg("--home", tmp_path, "status", "--json").stdout)["web"] is None


def test_a_scan_dropped_in_the_inbox_is_a_download_in_the_end(tmp_path: Path) -> None:
    with Running("--home", tmp_path, *SERVE, *WEB) as serving:
        url = page_of(serving)
        port = int(url.rsplit(":", 1)[1].strip("/"))
        write_scan(tmp_path / "inbox" / "scan.nii.gz")
        serving.wait_for("done scan.nii.gz")
        names = request(port, "GET", "/files").json()
        assert "scan.gltf" in names
        downloaded = request(port, "GET", "/download/scan.gltf").body
        assert downloaded == (tmp_path / "results" / "scan.gltf").read_bytes()
        autoseg("--home", tmp_path, "stop")
        assert serving.end() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX; Windows has console events")
def test_ctrl_c_ends_the_page_with_the_pipeline(tmp_path: Path) -> None:
    with Running("--home", tmp_path, *SERVE, *WEB) as serving:
        url = page_of(serving)
        serving.signal(signal.SIGINT)
        assert serving.end() == 0
        assert not open_port(url)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX; Windows has console events")
def test_a_killed_pipeline_leaves_no_page(tmp_path: Path) -> None:
    with Running("--home", tmp_path, *SERVE, *WEB) as serving:
        url = page_of(serving)
        serving.signal(signal.SIGKILL)
        serving.process.wait(10)
        for _ in range(100):
            if not open_port(url):
                return

            time.sleep(0.05)
        raise AssertionError("the page outlives its pipeline")


def test_without_a_page_nothing_listens(tmp_path: Path) -> None:
    with Running("--home", tmp_path, *SERVE, "--no-web") as serving:
        serving.wait_for("Drop a scan into")
        assert json.loads(autoseg("--home", tmp_path, "status", "--json").stdout)["web"] is None
        autoseg("--home", tmp_path, "stop")
        assert serving.end() == 0
    assert "page " not in serving.text


def test_a_busy_port_is_said_loudly_with_the_way_out_and_the_inbox_is_watched(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with Running("--home", tmp_path, "--quiet", *SERVE, "--web", "--port", port) as serving:
            serving.wait_for("no web page")
            assert "web.port_busy" in serving.text and "--port" in serving.text
            status = autoseg("--home", tmp_path, "status").stdout
            assert "web.port_busy" in status
            write_scan(tmp_path / "inbox" / "scan.nii.gz")
            for _ in range(300):
                if (tmp_path / "results" / "scan.manifest.json").exists():
                    break

                time.sleep(0.1)
            autoseg("--home", tmp_path, "stop")
            assert serving.end() == 0
        (found,) = findings(tmp_path, port=int(port))
        assert found.status == "warn" and "another program listens" in found.text and "--port" in found.fix
    assert (tmp_path / "results" / "scan.gltf").exists()


def test_a_missing_certificate_is_said(tmp_path: Path) -> None:
    with Running("--home", tmp_path, *SERVE, *WEB, "--tls-cert", str(tmp_path / "no.pem")) as serving:
        serving.wait_for("web.certificate")
        assert "no.pem" in serving.text
        autoseg("--home", tmp_path, "stop")
        assert serving.end() == 0


def test_the_python_api_serves_a_page_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOSEG_WEB")
    assert AutoSeg(tmp_path / "a").pipeline._serves_web is False
    assert AutoSeg(tmp_path / "a", web=True).pipeline._serves_web is True
    assert AutoSeg.throw_away(tmp_path / "out").pipeline._serves_web is False
    monkeypatch.setenv("AUTOSEG_WEB", "yes")
    assert AutoSeg(tmp_path / "a").pipeline._serves_web is True
