"""The web child under its pipeline: started, restarted, ended; what keeps it from beginning."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator

import psutil
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.events import WebFailed, WebServing
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.own_packages import FOLDER
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.runtime.processes import web_host
from AutoSegPipelineLib.runtime.processes.child_command import library_parent
from AutoSegPipelineLib.runtime.processes.child_kinds import WEB
from AutoSegPipelineLib.runtime.wiring import real_spawns
from support.web import Served, WebBench, request
from support.web_events import Listener


def listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as trial:
        trial.settimeout(2)
        return trial.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_the_pipeline_says_where_its_page_is_and_ends_it(tmp_path: Path) -> None:
    with WebBench(tmp_path) as bench:
        told = bench.pipeline.store.meta.get("web")
        port, pid = told["port"], told["pid"]
        assert told["url"] == f"http://127.0.0.1:{port}/" and told["error"] is None
        assert bench.request("GET", "/healthz").json()["ready"] is True
    assert not listening(port)
    assert not psutil.pid_exists(pid)


def test_after_the_end_the_store_names_no_page(tmp_path: Path) -> None:
    bench = WebBench(tmp_path)
    with bench:
        pass
    from AutoSegPipelineLib.core.store import Store

    store = Store(bench.home.store)
    assert store.meta.get("web") is None
    store.close()


def test_a_killed_child_is_started_again_on_the_same_port(tmp_path: Path) -> None:
    with WebBench(tmp_path) as bench:
        port, pid = bench.port, bench.pipeline.web.pid
        with Listener(port) as listener:
            bench.until(lambda: listener.of("hello"))
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            bench.until(lambda: bench.pipeline.store.meta.get("web")["error"])
            assert bench.pipeline.store.meta.get("web")["error"]["code"] == "web.died"
            last = listener.of("hello")[-1]["id"]
        bench.drop("scan.nii", 1)
        bench.until(lambda: bench.pipeline.web.url)
        assert (bench.port, bench.pipeline.web.pid != pid) == (port, True)
        bench.until_ended(1)
        with Listener(port, last_event_id=last) as listener:
            bench.until(lambda: listener.of("job"))
            assert listener.of("job")[-1]["data"]["label"] == "scan.nii"


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = replace(web_host.WEB, restart=replace(web_host.WEB.restart, first_wait=0.05))
    monkeypatch.setattr(web_host, "WEB", soon)
    starts: list[float] = []
    bench = WebBench(tmp_path)
    spawn = bench.pipeline._spawns[WEB]

    def dying(on_message: Any, on_log: Any, on_end: Any) -> Any:
        starts.append(time.monotonic())
        child = spawn(on_message, on_log, on_end)
        child._command = [sys.executable, "-c", "import sys; sys.exit('ouch')"]
        return child

    bench.pipeline.web._spawn = dying
    bench.pipeline.start()
    bench.until(lambda: len(starts) >= 5)
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    assert gaps[3] > gaps[0] + 0.15
    assert "ouch" in bench.pipeline.store.meta.get("web")["error"]["message"]
    bench.stop()


def test_a_busy_port_is_said_and_the_pipeline_goes_on_watching(tmp_path: Path, taken: int) -> None:
    bench = WebBench(tmp_path, port=taken)
    told: list[Any] = []
    bench.pipeline.bus.subscribe(told.append)
    with bench:
        bench.until(lambda: bench.pipeline.web.error)
        error = bench.pipeline.store.meta.get("web")["error"]
        assert error["code"] == "web.port_busy" and str(taken) in error["message"]
        failed = [event for event in told if isinstance(event, WebFailed)]
        assert len(failed) == 1 and "--port" in failed[0].hint
        bench.drop("scan.nii", 1)
        assert [job.state for job in bench.until_ended(1)] == [states.DONE]
        assert bench.pipeline.web.ended, "it is not tried again and again"


def test_the_page_can_be_started_and_stopped_alone(tmp_path: Path) -> None:
    bench = WebBench(tmp_path, web=False)
    told: list[Any] = []
    bench.pipeline.bus.subscribe(told.append)
    with bench:
        assert bench.pipeline.web.ended and bench.pipeline.store.meta.get("web") is None
        bench.pipeline.web.start(bench.pipeline.settings)
        bench.until(lambda: bench.pipeline.web.url)
        port = bench.port
        assert [event.url for event in told if isinstance(event, WebServing)] == [bench.pipeline.web.url]
        bench.pipeline.web.stop()
        bench.until(lambda: bench.pipeline.web.ended)
        assert not listening(port) and bench.pipeline.store.meta.get("web") is None
        bench.pipeline.web.start(bench.pipeline.settings)
        bench.until(lambda: bench.pipeline.web.url)
        bench.pipeline.web.stop()
        bench.pipeline.web.start(bench.pipeline.settings)  # before the first one has gone
        bench.until(lambda: bench.pipeline.web.url and listening(bench.port))


def test_the_childs_end_does_not_wait_for_streams_and_downloads(tmp_path: Path) -> None:
    with Served(tmp_path) as page, Listener(page.port) as listener:
        case = page.add_job(states.DONE, {".gltf": bytes(64 << 20)})
        slow = http.client.HTTPConnection("127.0.0.1", page.port)
        slow.request("GET", f"/download/{case.name}.gltf")
        slow.getresponse().read(10)
        listener.until(lambda: listener.of("hello"))
        begin = time.monotonic()
        assert page.stop() == 0
        assert time.monotonic() - begin < 6
        slow.close()


def test_it_ends_when_the_pipeline_dies(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        assert page.process is not None and page.process.stdin is not None
        page.process.stdin.close()
        page.process.wait(5)
        assert not listening(page.port)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has console events instead of signals")
def test_ctrl_c_does_not_end_it(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        assert page.process is not None
        page.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert page.get("/healthz").status == 200
        assert os.getpgid(page.process.pid) == page.process.pid, "a console's signal goes to a group"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    code = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv[0] = 'x'\n"
        "from AutoSegPipelineLib.web.child import main\nsys.exit(main())"
    )
    monkeypatch.setattr(Served, "command", lambda self: [sys.executable, "-c", code])
    with Served(tmp_path) as page:
        assert page.failed is not None
        assert page.failed["code"] == "web.packages_missing" and "uvicorn" in page.failed["message"]
        assert page.stop() == 1


def test_what_the_command_line_asks_of_the_web_needs_none_of_its_packages() -> None:
    code = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn', 'pydantic', 'prometheus_client', 'argon2'):\n"
        "    sys.modules[name] = None\n"
        "from AutoSegPipelineLib.web import config, child\nfrom AutoSegPipelineLib.web.http import sockets\n"
        "from AutoSegPipelineLib.web.accounts import accounts, passwords\n"
        "import AutoSegPipelineLib.headless.doctor_web\n"
        "from AutoSegPipelineLib.headless.cli import cli\n"
        "cli.every()\n"
    )
    env = {**os.environ, "PYTHONPATH": str(library_parent())}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        ("127.0.0.1", None, "web.port_busy"),
        ("no.such.name.invalid", 0, "web.cannot_bind"),
        ("192.0.2.77", 0, "web.cannot_bind"),
    ],
)
def test_an_address_that_cannot_be_had_is_an_error_with_a_code(
    tmp_path: Path, taken: int, host: str, port: int | None, code: str
) -> None:
    with Served(tmp_path, host=host, port=taken if port is None else port, insecure=True) as page:
        assert page.failed is not None and page.failed["code"] == code, page.failed


def test_localhost_is_served_in_every_family_the_machine_has(tmp_path: Path) -> None:
    with Served(tmp_path, host="localhost") as page:
        assert page.get("/healthz").status == 200
        assert page.url == f"http://localhost:{page.port}/"


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, made by openssl as an administrator would."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def test_the_page_speaks_https_with_the_given_certificate(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    with Served(tmp_path, tls_cert=str(certificate[0]), tls_key=str(certificate[1])) as page:
        assert page.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(certificate[0]))
        answer = request(page.port, "GET", "/healthz", context=trust)
        assert answer.status == 200
        connection = http.client.HTTPSConnection("127.0.0.1", page.port, context=trust)
        connection.connect()
        assert connection.sock.version() in ("TLSv1.2", "TLSv1.3")
        connection.close()
        with pytest.raises((OSError, http.client.HTTPException)):
            request(page.port, "GET", "/healthz")


def test_a_certificate_that_cannot_serve_is_an_error_with_a_code(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    other = tmp_path / "other.pem"
    other.write_text("no certificate\n")
    for number, (cert, key) in enumerate(
        [
            (tmp_path / "absent.pem", certificate[1]),
            (certificate[0], tmp_path / "absent.pem"),
            (other, certificate[1]),
            (certificate[0], other),
            ("", certificate[1]),
        ]
    ):
        with Served(tmp_path / str(number), tls_cert=str(cert), tls_key=str(key)) as page:
            assert page.failed is not None and page.failed["code"] == "web.certificate", (cert, key)
            assert page.failed["message"]


def test_packages_in_the_homes_private_folder_are_found(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.create()
    (home.state / FOLDER).mkdir()
    (home.state / FOLDER / "only_here.py").write_text("")
    child: Any = real_spawns(home, Settings.defaults())[WEB](print, print, print)
    start = child._command[1:-1]  # the folders are its arguments; the last one is the module that it runs
    found = subprocess.run([sys.executable, *start, "only_here"], env=child._env, check=False)
    assert found.returncode == 0
    assert subprocess.run([sys.executable, *start, "not_there"], env=child._env, check=False).returncode == 1
