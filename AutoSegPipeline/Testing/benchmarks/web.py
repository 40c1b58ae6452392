"""Downloads, small requests and event streams of the web child, beside Debian's nginx in the same run.

    python AutoSegPipeline/Testing/benchmarks/web.py [--mb 1024] [--nginx PATH] [--ab PATH]

A result file of a gigabyte is fetched over loopback by curl, with our checks of who asks and the ETag; nginx
sends the same file with `sendfile`. Small requests come from ApacheBench over 16 connections that stay open.
Targets: at least half of nginx's rate for the download, memory that does not grow with the file, and 200 open
event streams that cost no more than 3 % of a core while nothing happens. Uploads: uploads.py.
"""

from __future__ import annotations

import argparse
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from meters import said_load
from support.web import Served
from uploads import Nginx, Peak

MEMORY_MB = 64
STREAMS = 200
IDLE_SHARE = 0.03


class FileServer(Nginx):
    """nginx that sends files as fast as it can."""

    CONF = Nginx.CONF.replace("access_log off;", "access_log off; sendfile on; tcp_nopush on;")


def download(url: str) -> float:
    """MB a second, by curl's own clock."""
    done = subprocess.run(
        ["curl", "-fsS", "-o", os.devnull, "-w", "%{speed_download}", url],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout) / (1 << 20)


def requests_a_second(ab: str, url: str, number: int) -> float:
    """Of ApacheBench, 16 connections that stay open."""
    done = subprocess.run(
        [ab, "-q", "-k", "-c", "16", "-n", str(number), url], check=True, capture_output=True, text=True
    )
    failed = re.search(r"Non-2xx responses:\s+(\d+)", done.stdout)
    assert failed is None, failed.group(0)
    found = re.search(r"Requests per second:\s+([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))


class Streams:
    """Many open event streams in one thread."""

    def __init__(self, port: int, number: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.heard: dict[socket.socket, bytes] = {}
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n"
        for _ in range(number):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(head.encode())
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)
            self.heard[one] = b""

    def until_all_hear(self, word: bytes, seconds: float = 60.0) -> float:
        """Seconds until the last one has heard ``word``."""
        begun, missing = time.perf_counter(), {one for one, text in self.heard.items() if word not in text}
        while missing:
            assert time.perf_counter() - begun < seconds, f"{len(missing)} did not hear {word!r}"
            for key, _ in self._selector.select(1):
                one: Any = key.fileobj
                self.heard[one] += one.recv(65536)
                if word in self.heard[one]:
                    missing.discard(one)
        return time.perf_counter() - begun

    def close(self) -> None:
        """Hang up."""
        for one in self.heard:
            one.close()
        self._selector.close()


def measure_streams(page: Served) -> bool:
    """Cost of open streams, and how soon all hear of a change."""
    assert page.process is not None
    process = psutil.Process(page.process.pid)
    memory = process.memory_info().rss
    streams = Streams(page.port, STREAMS)
    try:
        opened = streams.until_all_hear(b"event: status")
        grown = (process.memory_info().rss - memory) / 1024 / STREAMS
        before = sum(process.cpu_times()[:2])
        time.sleep(10)
        idle = (sum(process.cpu_times()[:2]) - before) / 10
        waits = []
        for _ in range(10):
            job = page.add_job("queued")
            waits.append(streams.until_all_hear(job.id.encode()))
        print(
            f"{STREAMS} event streams: open in {opened:.2f} s, {grown:.0f} KB each, {idle:.2%} of a core idle"
        )
        print(f"a change is heard by all after {sorted(waits)[5]:.2f} s (most {max(waits):.2f} s)")
        return idle <= IDLE_SHARE
    finally:
        streams.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--nginx", default=shutil.which("nginx", path="/usr/sbin:/usr/bin") or "")
    parser.add_argument("--ab", default=shutil.which("ab") or "")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="autoseg-web-"))
    nginx = FileServer(given.nginx, root / "nginx") if given.nginx else None
    try:
        with Served(root / "home") as page:
            return _compare(given, page, nginx, root)
    finally:
        if nginx is not None:
            nginx.stop()
        shutil.rmtree(root, ignore_errors=True)


def _compare(given: Any, page: Served, nginx: Any, root: Path) -> int:
    assert page.process is not None
    case = page.add_job("done", {".gltf": b"{}", ".manifest.json": bytes(1024)})
    big, small = (page.home.results / f"{case.name}{ending}" for ending in (".gltf", ".manifest.json"))
    with open(big, "wb") as stream:
        for _ in range(given.mb):
            stream.write(bytes(1 << 20))
    ours = f"http://127.0.0.1:{page.port}"
    theirs = ""
    if nginx is not None:
        os.link(big, root / "nginx" / "www" / big.name)
        os.link(small, root / "nginx" / "www" / small.name)
        theirs = f"http://127.0.0.1:{nginx.port}"
    print(f"{given.mb} MB, best of {given.rounds}; {said_load()}")
    rates, grown = {"ours": 0.0, "nginx": 0.0}, 0.0
    for _ in range(given.rounds):
        with Peak(page.process.pid) as peak:
            rates["ours"] = max(rates["ours"], download(f"{ours}/download/{big.name}"))
        grown = max(grown, peak.grown)
        if theirs:
            rates["nginx"] = max(rates["nginx"], download(f"{theirs}/{big.name}"))
    ratio = rates["ours"] / rates["nginx"] if theirs else float("nan")
    print(
        f"download: {rates['ours']:.0f} MB/s, nginx {rates['nginx']:.0f} MB/s: {ratio:.2f}; "
        f"memory +{grown:.0f} MB"
    )
    if given.ab:
        measure_small(given, ours, theirs, small.name, (page.process.pid, nginx.process.pid if nginx else 0))
    cheap = measure_streams(page)
    met = grown <= MEMORY_MB and cheap and not ratio < 0.5
    print(f"memory flat: {grown <= MEMORY_MB}; half of nginx: {ratio >= 0.5}; streams cheap: {cheap}")
    return 0 if met else 1


def measure_small(given: Any, ours: str, theirs: str, name: str, pids: tuple[int, int]) -> None:
    """Requests a second for a file of a kilobyte, and for two answers that nginx has nothing like.

    The milliseconds of CPU hardly depend on what else this machine does.
    """
    found = {}
    for what in (f"/download/{name}", "/healthz", "/api/v1/jobs"):
        found[what] = small(given.ab, ours + what, given.requests, pids[0])
        print(f"small requests: {what}: {found[what][0]:.0f} a second, {found[what][1]:.2f} ms of CPU each")
    if theirs:
        plain = small(given.ab, f"{theirs}/{name}", given.requests * 10, pids[1])
        share = found[f"/download/{name}"][0] / plain[0]
        print(f"small requests: by nginx: {plain[0]:.0f} a second, {plain[1]:.3f} ms; ratio {share:.3f}")


def small(ab: str, url: str, number: int, pid: int) -> tuple[float, float]:
    """Requests a second, and the server's milliseconds of CPU for each."""
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    rate = requests_a_second(ab, url, number)
    return rate, (sum(process.cpu_times()[:2]) - before) * 1000 / number


if __name__ == "__main__":
    sys.exit(main())
