"""The repository names nothing that belongs to the machine it was written on, nor a package registry."""

from __future__ import annotations

import re

import support.skeleton as support

# Put together from pieces, so that this file does not hold what it looks for.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "conda." + "anaconda.org",
    "npmjs" + ".org",
]
PLACES = [r"(?<![\w.])/work" + r"/", r"(?<![\w.])\.\./shared" + r"/", r"/opt/" + r"dev\b"]
PLACES += [r"/root" + r"/", r"C:\\\\?Users\\\\?[A-Z]\w+" + r"\\"]
PATTERN = re.compile("|".join([re.escape(host) for host in HOSTS] + PLACES))
TEXT = {
    ".py",
    ".md",
    ".txt",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".html",
    ".css",
    ".js",
    ".cfg",
    ".csv",
    ".sh",
    "",
}


def test_no_file_names_a_registry_or_a_workplace() -> None:
    found = []
    for path in support.project_files():
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if PATTERN.search(line):
                found.append(f"{path.relative_to(support.ROOT).as_posix()}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_pattern_finds_what_it_is_for() -> None:
    for text in (
        HOSTS[0],
        "https://registry." + "npmjs" + ".org/x",
        "cd /work" + "/main",
        "see ../shared" + "/data",
    ):
        assert PATTERN.search(text), text
    for text in ("state/work/<id>", "the work/ folder", "homework/", "shared/"):
        assert not PATTERN.search(text), text
