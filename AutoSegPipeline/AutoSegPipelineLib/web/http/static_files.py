"""The files of the page and of the viewer's libraries, by name from fixed lists: nothing else is served."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ...core.errors import PipelineError
from .compressed import BROTLI, GZIP, accepted, gzipped, precompressed

FOLDER = Path(__file__).resolve().parent.parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
# What the viewer loads of the libraries that npm installed, below the folder of packages.
THREE = (
    "three/build/three.module.js",
    "three/build/three.core.js",
    "three/examples/jsm/controls/OrbitControls.js",
    "three/examples/jsm/loaders/GLTFLoader.js",
    "three/examples/jsm/utils/BufferGeometryUtils.js",
    "three/examples/jsm/utils/SkeletonUtils.js",
)
NIIVUE = ("@niivue/niivue/dist/index.js",)
ASSETS = frozenset(THREE + NIIVUE)


@functools.lru_cache(maxsize=1)
def static_files() -> dict[str, Path]:
    """Every file of the page by its relative name."""
    return {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.suffix in _TYPES}


def send_static(request: Request, name: str) -> Response:
    """A file of the page. Raises ``request.not_found``."""
    path = static_files().get(name)
    if path is None:
        raise PipelineError("request.not_found", "there is no such file")
    return _send(request, path, _digest(path, path.stat().st_mtime_ns))


def send_asset(request: Request, folder: Path | None, name: str) -> Response:
    """A file of a library. Raises ``request.not_found``."""
    if folder is None or name not in ASSETS or not (folder / name).is_file():
        raise PipelineError("request.not_found", "there is no such library; see the viewer's page")
    path = folder / name
    found = path.stat()
    if name.startswith("three/examples/"):
        text = _with_addresses(path, name.count("/") - 1, found.st_mtime_ns)
        return _send(request, path, hashlib.sha256(text).hexdigest()[:32], text)
    return _send(request, path, f"{found.st_size:x}-{found.st_mtime_ns:x}")


def assets_folder(assets: str) -> Path | None:
    """Where npm put the packages, or None where it never ran."""
    if not assets:
        return None
    for folder in (Path(assets) / "node_modules", Path(assets)):
        if any((folder / name).is_file() for name in (THREE[0], NIIVUE[0])):
            return folder
    return None


def missing_assets(assets: str) -> list[str]:
    """The names of libraries that are not there, or incomplete."""
    folder = assets_folder(assets)
    wanted = {"three": THREE, "@niivue/niivue": NIIVUE}
    return [
        name
        for name, files in wanted.items()
        if folder is None or not all((folder / one).is_file() for one in files)
    ]


@functools.lru_cache(maxsize=256)
def _digest(path: Path, mtime_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


@functools.lru_cache(maxsize=16)
def _with_addresses(path: Path, depth: int, mtime_ns: int) -> bytes:
    """A module of three that names ``three``, with the address of it; ``depth`` folders below the package.

    An import map would do the same, but it is a script in the page, which the policy forbids.
    """
    up = "../" * depth
    text = path.read_text(encoding="utf-8")
    return re.sub(r"""(\bfrom\s*)(['"])three\2""", rf"\1\2{up}build/three.module.js\2", text).encode()


def _send(request: Request, path: Path, tag: str, body: bytes | None = None) -> Response:
    """The file, or ``body`` in its place, compressed where the browser takes it."""
    kinds = accepted(request)
    small = precompressed(path) if BROTLI in kinds and body is None else None
    kind = BROTLI if small else GZIP if GZIP in kinds else ""
    etag = f'"{tag}-{kind}"' if kind else f'"{tag}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if etag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    media_type = _TYPES[path.suffix]
    if kind:
        headers["Content-Encoding"] = kind
    if small:
        return FileResponse(small, headers=headers, media_type=media_type)
    if kind:
        return Response(gzipped(path, tag, body), headers=headers, media_type=media_type)
    if body is not None:
        return Response(body, headers=headers, media_type=media_type)
    return FileResponse(path, headers=headers, media_type=media_type)
