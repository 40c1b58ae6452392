"""The page's files and the viewer's libraries are sent compressed, and kept by browsers."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.web.http import static_files
from AutoSegPipelineLib.web.http.compressed import accepted
from starlette.requests import Request
from support.security import Served

from launcher import viewer

NAME = viewer.LARGE[0]
TEXT = b"export const words = 'the same words again and again';\n" * 200


def asked(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": pairs})


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "node_modules"
    for name in static_files.ASSETS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(TEXT)
    return folder


def body(answer: Any) -> bytes:
    return bytes(answer.body) if hasattr(answer, "body") and answer.body else Path(answer.path).read_bytes()


@pytest.mark.parametrize(
    ("said", "kinds"),
    [("", set()), ("gzip, deflate, br, zstd", {"br", "gzip"}), ("br;q=0, gzip;q=0.5", {"gzip"}),
     ("GZIP", {"gzip"}), ("gzip; q=0", set()), ("identity", set())],
)  # fmt: skip
def test_what_a_browser_takes_is_what_it_says(said: str, kinds: set[str]) -> None:
    assert accepted(asked(accept_encoding=said)) == kinds


def test_a_library_goes_out_compressed_and_unchanged(modules: Path) -> None:
    plain = static_files.send_asset(asked(), modules, NAME)
    assert "content-encoding" not in plain.headers and body(plain) == TEXT
    small = static_files.send_asset(asked(accept_encoding="gzip, br"), modules, NAME)
    assert small.headers["content-encoding"] == "gzip" and gzip.decompress(body(small)) == TEXT
    assert len(body(small)) < len(TEXT) / 10
    assert small.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert small.headers["etag"] != plain.headers["etag"]
    again = static_files.send_asset(
        asked(accept_encoding="gzip", if_none_match=small.headers["etag"]), modules, NAME
    )
    assert again.status_code == 304


def test_a_module_whose_addresses_were_changed_is_never_the_file_that_lies_beside_it(modules: Path) -> None:
    name = static_files.THREE[2]
    (modules / name).write_text("import { A } from 'three';\n" * 50)
    (modules / f"{name}.br").write_bytes(b"the file as it was")
    sent = static_files.send_asset(asked(accept_encoding="br, gzip"), modules, name)
    assert b"build/three.module.js" in gzip.decompress(body(sent))


def test_what_the_set_up_compressed_is_used_until_the_file_is_newer(modules: Path) -> None:
    (modules / f"{NAME}.br").write_bytes(b"smaller")
    os.utime(modules / NAME, (1, 1))
    sent = static_files.send_asset(asked(accept_encoding="gzip, br"), modules, NAME)
    assert sent.headers["content-encoding"] == "br" and body(sent) == b"smaller"
    assert (
        static_files.send_asset(asked(accept_encoding="gzip"), modules, NAME).headers["content-encoding"]
        == "gzip"
    )
    os.utime(modules / f"{NAME}.br", (0, 0))
    assert (
        static_files.send_asset(asked(accept_encoding="br"), modules, NAME).headers.get("content-encoding")
        is None
    )


def test_the_set_up_compresses_every_large_library_with_nodes_brotli(modules: Path) -> None:
    assert set(viewer.LARGE) <= static_files.ASSETS
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    with open(modules / "lock", "w") as lock:
        viewer.compress(node, modules.parent, lock.fileno())
    read = "require('fs').readFileSync(process.argv[1])"
    script = f"process.stdout.write(require('zlib').brotliDecompressSync({read}))"
    for name in viewer.LARGE:
        path = modules / f"{name}.br"
        assert path.stat().st_size < len(TEXT) / 10
        assert subprocess.run([node, "-e", script, str(path)], capture_output=True, check=True).stdout == TEXT


def test_the_page_is_sent_compressed(tmp_path: Path) -> None:
    with Served(tmp_path / "home", accounts=False) as served:
        plain = served.ask("GET", "/static/js/api.js")
        small = served.ask("GET", "/static/js/api.js", None, {"Accept-Encoding": "gzip, br"})
    assert small.headers["content-encoding"] == "gzip" and gzip.decompress(small.body) == plain.body
