"""Who may write the files that choose which programs run: ``engines.json``, and the record of a model."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ...core.errors import PipelineError


def check_owner(path: Path, state: os.stat_result, code: str, so: str) -> None:
    """Raise ``code`` unless only this user and root may write or replace the file.

    ``so`` says what follows, ``the programs are not run``. ``state`` is the open file's; the folders of its
    name and of a link's target are looked at, too. Windows is not checked: there a user's files are closed
    to others unless somebody opens them.
    """
    if sys.platform == "win32":
        return
    _check(path, state, code, so)
    for folder in sorted({path.absolute().parent, path.resolve().parent}):
        _check(folder, os.stat(folder), code, so)


def _check(path: Path, state: os.stat_result, code: str, so: str) -> None:
    """``path`` is the file or a folder; in a folder with the sticky bit nobody replaces another's files."""
    if sys.platform == "win32":
        return
    if state.st_uid not in (0, os.geteuid()):
        raise PipelineError(
            code,
            f"{path} belongs to another user (number {state.st_uid}), so {so}",
            "Give it to the user who runs the pipeline, or to root.",
        )
    if stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX:
        return
    by_all = state.st_mode & stat.S_IWOTH
    if by_all or (state.st_mode & stat.S_IWGRP and not _private(state)):
        who = "everybody" if by_all else f"the group {state.st_gid}"
        raise PipelineError(
            code,
            f"{path} can be written by {who}, so {so}",
            f"chmod go-w {path}",
        )


def _private(state: os.stat_result) -> bool:
    """Whether the group is the owner's alone, as many systems give each user one of the user's name."""
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(state.st_uid), grp.getgrgid(state.st_gid)
    except KeyError:
        return False
    own = owner.pw_gid == group.gr_gid and owner.pw_name == group.gr_name
    return own and set(group.gr_mem) <= {owner.pw_name}
