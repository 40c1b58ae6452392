"""Commands that the web asks of the pipeline."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from AutoSegPipelineLib.core.commands import Cancel
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.web import ask


def test_a_hundred_commands_are_written_with_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path)
    home.create()
    store, done = Store(home.store), []
    store._database._connection.set_trace_callback(done.append)
    monkeypatch.setattr(ask, "check_running", lambda context: None)
    context: Any = SimpleNamespace(store=store, home=home)
    answers = asyncio.run(ask.ask_each(context, [Cancel(f"{number:032x}") for number in range(100)], "olga"))
    store.close()
    assert len(answers) == 100 and all(isinstance(one, PipelineError) for one in answers), "nobody runs"
    written = done[: next(number for number, one in enumerate(done) if one.startswith("DELETE"))]
    assert sum(one.startswith("INSERT INTO requests") for one in written) == 100
    assert written.count("COMMIT") == 1
