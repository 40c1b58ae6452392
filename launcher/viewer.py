"""``install viewer``: three.js and NiiVue for the page's viewer, from npm, into the program's environment.

Pinned by the lock file in ``AutoSegPipeline/Resources/Web``. The page serves them from there, and
says what is missing where they are not. They are minified once, here, by terser (most bundlers use it,
and it needs nothing but Node), and what is large is compressed by Node's own brotli. Minified files of the
packages themselves are of no use: three has none, and NiiVue's is text for ``eval``, which the page forbids.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from .environment import Environment
from .installer import run, say
from .node import CLEAN_INSTALL, find_node
from .places import LIBRARY_PARENT
from .trouble import Trouble, check_space

VIEWER = "viewer"
COMMAND = f"python3 autoseg.py install {VIEWER}"
PACKAGES = LIBRARY_PARENT / "Resources" / "Web"
# What a browser loads of them; brotli makes 0.8 MB of the three that are worth it.
LARGE = ("three/build/three.module.js", "three/build/three.core.js", "@niivue/niivue/dist/index.js")
SERVED = (
    *LARGE,
    "three/examples/jsm/controls/OrbitControls.js",
    "three/examples/jsm/loaders/GLTFLoader.js",
    "three/examples/jsm/utils/BufferGeometryUtils.js",
    "three/examples/jsm/utils/SkeletonUtils.js",
)
# Their notices of licence stay.
_MINIFY = """
const { minify } = require("terser");
const { readFileSync, writeFileSync } = require("fs");
(async () => {
  for (const name of process.argv.slice(1)) {
    const options = { module: true, format: { comments: /^!|@license|@preserve|copyright/i } };
    writeFileSync(name, (await minify(readFileSync(name, "utf8"), options)).code + "\\n");
  }
})();
"""
_COMPRESS = """
const { brotliCompressSync, constants } = require("zlib");
const { readFileSync, writeFileSync } = require("fs");
for (const name of process.argv.slice(1)) {
  const text = readFileSync(name);
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: text.length, [constants.BROTLI_PARAM_LGWIN]: 22 };
  writeFileSync(name + ".br", brotliCompressSync(text, { params }));
}
"""
_BYTES = 150 * 10**6  # of the packages and of npm's cache
# At set-up nobody wants to wait for a network that is not there.
_PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000")


def folder(environment: Environment) -> Path:
    """What the web page looks for below ``sys.prefix``."""
    return environment.path / VIEWER


def fingerprint() -> str:
    """Changes with the lock file; empty where there is none."""
    lock_file = PACKAGES / "package-lock.json"
    return hashlib.sha256(lock_file.read_bytes()).hexdigest() if lock_file.exists() else ""


def is_whole(environment: Environment) -> bool:
    """Whether the libraries are there, with the pins of now."""
    there = environment.extras().get(VIEWER) if environment.is_ready() else None
    modules = folder(environment) / "node_modules"
    return there is not None and there.get("fingerprint") == fingerprint() and modules.is_dir()


def main(environment: Environment) -> int:
    """``install viewer``; returns the exit code. Raises :class:`~.trouble.Trouble`."""
    environment.ensure()
    if is_whole(environment):
        say("The viewer's libraries are there already.")
        return 0
    install(environment)
    return 0


def install(environment: Environment) -> None:
    """Install them completely or not at all. Raises :class:`~.trouble.Trouble`."""
    began = time.monotonic()
    check_space(environment.path, _BYTES)
    node, npm = find_node(environment)
    say("Packages of AutoSegPipeline/Resources/Web/package-lock.json (the viewer's libraries)")
    target = folder(environment)
    part = target.with_name(f"{VIEWER}.part")
    with environment.locked() as lock:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(PACKAGES / name, part / name)
        # npm starts the node that it finds; the wheel's may be the only one.
        path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", os.defpath)])
        run(
            [*npm, *CLEAN_INSTALL, "--include=dev", *_PATIENCE],
            lambda line: None,
            environment.path,
            (lock.fd,),
            part,
            {"PATH": path},
        )
        minify(node, part, lock.fd)
        compress(node, part, lock.fd)
        _remove_tools(part)
        shutil.rmtree(target, ignore_errors=True)
        try:
            os.rename(part, target)
        except OSError as error:  # Windows: the page is being served from there
            raise Trouble(f"{target} is in use ({error}). Stop the program, then: {COMMAND}") from error
        environment.set_extra(VIEWER, {"fingerprint": fingerprint()})
    say(f"Installed the viewer's libraries in {time.monotonic() - began:.0f} s.")


def minify(node: str, part: Path, keep_open: int) -> None:
    """Minify what is served of ``part/node_modules``, in its place. Raises :class:`~.trouble.Trouble`."""
    _on_files(node, _MINIFY, SERVED, part, keep_open)


def compress(node: str, part: Path, keep_open: int) -> None:
    """Write ``.br`` beside its large files. Raises :class:`~.trouble.Trouble`."""
    _on_files(node, _COMPRESS, LARGE, part, keep_open)


def _on_files(node: str, script: str, names: tuple[str, ...], part: Path, keep_open: int) -> None:
    """Run a script of Node on those of ``names`` that are there."""
    there = [name for name in names if (part / "node_modules" / name).is_file()]
    if there:
        paths = [str(Path("node_modules", name)) for name in there]
        run([node, "-e", script, "--", *paths], lambda line: None, part.parent, (keep_open,), part)


def _remove_tools(part: Path) -> None:
    """Leave what the page serves: the minifier and what it needs go."""
    lock_file = json.loads((part / "package-lock.json").read_text(encoding="utf-8"))
    for name, about in lock_file.get("packages", {}).items():
        if about.get("dev"):
            shutil.rmtree(part / name, ignore_errors=True)
            with contextlib.suppress(OSError):  # others of its scope are there
                (part / name).parent.rmdir()
    shutil.rmtree(part / "node_modules" / ".bin", ignore_errors=True)


def bring_along(environment: Environment) -> None:
    """At set-up, and once for each new set of pins, install them; a failure is reported and stops nothing."""
    wanted = fingerprint()
    there = environment.extras().get(VIEWER, {})
    if not wanted or is_whole(environment) or there.get("tried") == f"{environment.path.name}-{wanted}":
        return
    try:
        install(environment)
    except (Trouble, OSError) as error:
        environment.set_extra(VIEWER, {"fingerprint": "", "tried": f"{environment.path.name}-{wanted}"})
        say(f"\n{error}\nThe web page works without its 3D viewer for now. Try again with: {COMMAND}")
