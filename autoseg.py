#!/usr/bin/env python3
"""Start AutoSegPipeline: the first call installs what it needs beside itself, later calls just run.

    python3 autoseg.py serve          watch a folder and process what is dropped
    python3 autoseg.py test           run every check of the project
    python3 autoseg.py --help         everything else

This file keeps to the syntax that every Python since 2.7 reads, so that an old
one gets an answer instead of a SyntaxError. The work is in ``launcher/``.
"""

from __future__ import print_function

import os
import platform
import struct
import sys

OLDEST = (3, 10)
NEWEST = (3, 15)
RECOMMENDED = (3, 13)


def version_text(version):
    """``3.13`` of ``(3, 13)``."""
    return "%d.%d" % version


def objection(version, implementation, pointer_bits, free_threaded):
    """Why this Python will not do, or nothing."""
    wanted = "AutoSegPipeline runs on Python %s to %s" % (version_text(OLDEST), version_text(NEWEST))
    if implementation != "CPython":
        return "%s of the usual kind (CPython); this is %s." % (wanted, implementation)
    if not OLDEST <= version <= NEWEST:
        return "%s; this is Python %s." % (wanted, version_text(version))
    if pointer_bits < 64:
        return "%s with 64 bits; this one has %d." % (wanted, pointer_bits)
    if free_threaded:
        return "%s with the usual interpreter lock; this is a free-threaded build." % wanted
    return None


def pythons_here(search_path):
    """Names of fitting Pythons on ``search_path`` (text as in PATH), the recommended one first."""
    versions = [(3, minor) for minor in range(OLDEST[1], NEWEST[1] + 1)]
    versions.sort(key=lambda version: (version != RECOMMENDED, -version[1]))
    found = []
    for version in versions:
        name = "python" + version_text(version)
        for folder in search_path.split(os.pathsep):
            path = os.path.join(folder, name)
            # A shim of a version manager stands there for every version, installed or not.
            if "shims" not in folder and os.path.isfile(path) and os.access(path, os.X_OK):
                found.append(name)
                break
    return found


def advice(search_path, windows):
    """What to do about an unfit Python."""
    found = pythons_here(search_path)
    if found:
        return "There is one here:  %s autoseg.py ..." % found[0]
    if windows:
        return (
            "Get Python %s (64 bit) from python.org or the Microsoft Store, then:  py -%s autoseg.py ..."
            % (
                version_text(RECOMMENDED),
                version_text(RECOMMENDED),
            )
        )
    return "Get Python %s from python.org or your system's packages, then:  python%s autoseg.py ..." % (
        version_text(RECOMMENDED),
        version_text(RECOMMENDED),
    )


def is_free_threaded():
    """Whether this is a build without the interpreter lock; there are no wheels for it."""
    import sysconfig

    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def start(arguments):
    """Check the Python, then hand over to ``launcher``. Returns the exit code."""
    problem = objection(
        tuple(sys.version_info[:2]),
        platform.python_implementation(),
        struct.calcsize("P") * 8,
        is_free_threaded(),
    )
    if problem:
        print(problem, file=sys.stderr)
        print(advice(os.environ.get("PATH", ""), os.name == "nt"), file=sys.stderr)
        return 2
    # A checkout on a read-only disk has no place for compiled files; a shared one should not get them.
    sys.dont_write_bytecode = True
    from launcher.main import main

    return main(arguments)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
