"""Uploads of a large file: rate and peak memory of the web child, beside Debian's nginx in the same run.

    python AutoSegPipeline/Testing/benchmarks/uploads.py [--mb 2048] [--nginx PATH]
    python AutoSegPipeline/Testing/benchmarks/uploads.py --protocols [--mb 512] [--rounds 5]

A body of zeros is sent over loopback as a form, as raw PUT and by tus in parts of 16 MB; nginx takes the
same bytes by WebDAV's PUT. We compute a SHA-256 on the way and wait for the disk before we answer; nginx
does neither. Targets: at least half of nginx's rate, and memory that does not grow with the file.

``--protocols`` compares our protocol (web/http/large_bodies.py) with uvicorn's own on h11 and on httptools
(``pip install httptools``), each in a page of its own, in turn within every round. large_bodies.py is worth
its lines where both of them need at least 1.3 times as much CPU, and take 1.3 times as long.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Callable

import psutil
from meters import said_load
from support.uploads import PART, Site

BLOCK = bytes(1 << 20)
TUS_PART = 16
WORTH = 1.3
MEMORY_MB = 64  # most that the web child may grow by


class Peak:
    """The largest resident memory of a process while ``with`` it, in MB above where it began."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._begun = self._process.memory_info().rss
        self.grown = 0.0

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.grown = max(self.grown, (self._process.memory_info().rss - self._begun) / (1 << 20))

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()


def send(port: int, head: str, before: bytes, megabytes: int, after: bytes) -> str:
    """One request with a body of zeros between two pieces; the answer's first line."""
    length = len(before) + megabytes * len(BLOCK) + len(after)
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        text = f"{head}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(text.encode() + before)
        for _ in range(megabytes):
            connection.sendall(BLOCK)
        connection.sendall(after)
        return connection.recv(65536).split(b"\r\n")[0].decode()


def by_form(site: Site, megabytes: int) -> None:
    name = (
        "----WebKitFormBoundary7MA4YWxkTrZu0gW"  # as long as browsers make it: that is what is searched for
    )
    head = f'--{name}\r\nContent-Disposition: form-data; name="f"; filename="big.bin"\r\n\r\n'
    kind = f"POST /upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={name}"
    said = send(site.port, kind, head.encode(), megabytes, f"\r\n--{name}--\r\n".encode())
    assert " 200 " in said, said


def by_put(site: Site, megabytes: int) -> None:
    said = send(site.port, "PUT /api/v1/uploads/big.bin HTTP/1.1", b"", megabytes, b"")
    assert " 201 " in said, said


def by_tus(site: Site, megabytes: int) -> None:
    path = site.place(site.create(megabytes << 20, filename="big.bin"))
    for start in range(0, megabytes, TUS_PART):
        size = min(TUS_PART, megabytes - start)
        headers = "".join(f"\r\n{name}: {value}" for name, value in PART.items())
        head = f"PATCH {path} HTTP/1.1{headers}\r\nUpload-Offset: {start << 20}"
        said = send(site.port, head, b"", size, b"")
        assert " 204 " in said, said


def rate(work: Callable[[], None], megabytes: int, pid: int) -> tuple[float, float]:
    """MB a second, and seconds of the server's CPU for a GB: that hardly depends on what else runs here."""
    server = psutil.Process(pid)
    before, begun = sum(server.cpu_times()[:2]), time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    return megabytes / seconds, (sum(server.cpu_times()[:2]) - before) * 1024 / megabytes


class Nginx:
    """Debian's nginx with WebDAV in a folder of its own."""

    CONF = """
daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {root}/body;
  proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{ listen 127.0.0.1:{port}; root {root}/www; location / {{ dav_methods PUT DELETE; }} }}
}}
"""

    def __init__(self, program: str, root: Path) -> None:
        self.root = root
        (root / "www").mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (root / "nginx.conf").write_text(self.CONF.format(root=root, port=self.port))
        self.process = subprocess.Popen(
            [program, "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")]
        )
        time.sleep(0.7)

    def put(self, megabytes: int) -> None:
        said = send(self.port, "PUT /big.bin HTTP/1.1", b"", megabytes, b"")
        assert " 20" in said, said
        (self.root / "www" / "big.bin").unlink()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def clear(site: Site) -> None:
    """Wait for the jobs of a round, and delete them."""
    site.until(lambda: all(job.ended for job in site.jobs()), 300)
    for job in site.jobs():
        site.ask("DELETE", f"/api/v1/jobs/{job.id}")


def compare_protocols(root: Path, megabytes: int, rounds: int, limits: dict[str, Any]) -> int:
    """PUT and form by each protocol in turn; prints medians and what the others cost beside ours."""
    names = ["ours", "h11"] + (["httptools"] if importlib.util.find_spec("httptools") else [])
    kinds = {"put": by_put, "tus": by_tus, "form": by_form}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    sites: dict[str, Site] = {}
    try:
        for name in names:
            os.environ["WEB_CHILD_HTTP"] = "" if name == "ours" else name
            sites[name] = Site(root / name, **limits).start()
            by_put(sites[name], 1)
        for number in range(rounds):
            order = names[number % len(names) :] + names[: number % len(names)]
            for kind, work in kinds.items():
                for name in order:
                    site = sites[name]
                    done = rate(partial(work, site, megabytes), megabytes, site.web_pid)
                    found.setdefault((kind, name), []).append(done)
                    clear(site)
    finally:
        for site in sites.values():
            site.stop()
    print(f"{megabytes} MB, median of {rounds}, uvicorn {metadata.version('uvicorn')}; {said_load()}")
    kept = True
    for kind in kinds:
        ours = [statistics.median(column) for column in zip(*found[kind, "ours"])]
        for name in names:
            speed, cpu = (statistics.median(column) for column in zip(*found[kind, name]))
            ratios = f"ours is {ours[0] / speed:4.2f} times as fast, with {cpu / ours[1]:4.2f} times less CPU"
            print(f"{kind:5} {name:10} {speed:6.0f} MB/s  {cpu:5.2f} s of CPU for a GB   {ratios}")
            kept = kept and (name == "ours" or min(cpu / ours[1], ours[0] / speed) >= WORTH)
    if "httptools" not in names:
        print("httptools is not installed: it was left out")
    print(f"worth keeping: {kept}")
    return 0 if kept else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--nginx", default=shutil.which("nginx", path="/usr/sbin:/usr/bin") or "")
    parser.add_argument("--protocols", action="store_true", help="ours beside uvicorn's own")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="autoseg-uploads-"))
    limits = {
        "upload_max_mb": 2 * given.mb,
        "upload_quota_mb": 20 * given.mb,
        "inputs": "delete",
        "grace_hours": 0,
    }
    if given.protocols:
        try:
            return compare_protocols(root, given.mb, given.rounds, limits)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    site = Site(root / "home", **limits).start()
    nginx = Nginx(given.nginx, root / "nginx") if given.nginx else None
    best: dict[str, tuple[float, float]] = {}
    grown: dict[str, float] = {}
    try:
        by_put(site, 1)
        for _ in range(given.rounds):
            if nginx is not None:
                pid = nginx.process.pid
                best["nginx"] = max(
                    best.get("nginx", (0.0, 0.0)), rate(lambda: nginx.put(given.mb), given.mb, pid)
                )
            for name, work in (("form", by_form), ("put", by_put), ("tus", by_tus)):
                with Peak(site.web_pid) as peak:
                    found = rate(partial(work, site, given.mb), given.mb, site.web_pid)
                best[name] = max(best.get(name, (0.0, 0.0)), found)
                grown[name] = max(grown.get(name, 0), peak.grown)
                clear(site)
    finally:
        site.stop()
        if nginx is not None:
            nginx.stop()
        shutil.rmtree(root, ignore_errors=True)
    print(f"{given.mb} MB, best of {given.rounds}; {said_load()}")
    for name, (speed, cpu) in best.items():
        memory = f"   +{grown[name]:.0f} MB" if name in grown else ""
        print(f"{name:6} {speed:6.0f} MB/s   {cpu:5.2f} s of CPU for a GB{memory}")
    flat = all(one <= MEMORY_MB for one in grown.values())
    fast = "nginx" not in best or all(best[name][0] >= best["nginx"][0] / 2 for name in grown)
    print(f"memory flat: {flat}; half of nginx: {fast if 'nginx' in best else 'nginx is not here'}")
    return 0 if flat and fast else 1


if __name__ == "__main__":
    sys.exit(main())
