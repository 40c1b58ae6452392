"""Requests to the embedded web server of Slicer, and what came of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from AutoSegPipelineLib.slicer_app.server.embedded import EmbeddedServer
from AutoSegPipelineLib.slicer_app.server.host import door_of

from support.pipeline import Bench
from support.web_server import talk


def autoseg_of(bench: Bench) -> Any:
    return SimpleNamespace(pipeline=bench.pipeline, home=bench.home, settings=bench.settings)


def ask(server: EmbeddedServer, text: str, **more: object) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and body of the answer to a request with ``Host`` and ``close``."""
    line, _, rest = text.partition("\n")
    fields = (
        f"Host: localhost:{server.port}\nConnection: close\n"
        if "Host:" not in rest
        else "Connection: close\n"
    )
    data = f"{line} HTTP/1.1\n{fields}{rest}".rstrip("\n").replace("\n", "\r\n") + "\r\n\r\n"
    return parsed(talk(server.port, data.encode() + bytes(more.get("body", b""))))  # type: ignore[arg-type]


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def form(files: list[tuple[str, bytes]], boundary: str = "xyz", **fields: str) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def post(server: EmbeddedServer, body: bytes, more: str = "") -> tuple[int, dict[str, str], bytes]:
    about = f"Content-Type: multipart/form-data; boundary=xyz\nContent-Length: {len(body)}\n{more}"
    return ask(server, f"POST /upload\n{about}", body=body)


def uploads_of(bench: Bench) -> list[Path]:
    """The folders of uploads that are under way or were left."""
    root = door_of(autoseg_of(bench)).root
    return sorted(root.iterdir()) if root.is_dir() else []


def nothing_left(bench: Bench) -> bool:
    return uploads_of(bench) == [] and not list(bench.home.incoming.glob("*.part"))
