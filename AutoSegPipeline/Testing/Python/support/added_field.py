"""A program whose ``Job`` has a few lines more: what it makes of a store, printed as JSON."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

LINES = """
    colour: str = _field("its colour", "it's grey", since={version})
    marks: dict[str, Any] = _field("its marks", factory=dict, since={version})
    note: str | None = _field("a note", since={version})
    secret: int = _private("nobody sees it", 7, since={version})
"""
NAME = "AutoSegPipelineLib.core.job"


def released_version() -> int:
    """The number of the next migration."""
    from AutoSegPipelineLib.core.store.schema import VERSION

    for name in [name for name in sys.modules if name.startswith("AutoSegPipelineLib")]:
        del sys.modules[name]
    return VERSION


def add(version: int) -> None:
    """Load ``core/job.py`` with the lines in it, before anything that derives from it is imported."""
    found = importlib.util.find_spec(NAME)
    assert found is not None and found.origin is not None
    source = Path(found.origin).read_text(encoding="utf-8")
    before = "\n    @property\n    def ended"
    assert source.count(before) == 1
    module = ModuleType(NAME)
    module.__package__, module.__file__ = NAME.rpartition(".")[0], found.origin
    sys.modules[NAME] = module
    text = source.replace(before, LINES.format(version=version) + before)
    exec(compile(text, found.origin, "exec"), vars(module))
    importlib.import_module(module.__package__).job = module  # type: ignore[attr-defined]


def main() -> None:
    """Open the store, change its job, print what is there."""
    from AutoSegPipelineLib.core.clock import SystemClock
    from AutoSegPipelineLib.core.job import Job
    from AutoSegPipelineLib.core.store import Store
    from AutoSegPipelineLib.web.models import JobDocument

    from support import docs

    path = Path(sys.argv[1])
    store = Store(path, SystemClock())
    if not store.jobs.list():
        store.jobs.add(Job())
    job: Any = store.jobs.list()[0]
    old = job.to_dict()
    job.colour, job.marks = "red", {"a": [1]}
    store.jobs.save(job)
    saved: Any = store.jobs.get(job.id)
    store.close()
    schema = JobDocument.model_json_schema()
    from AutoSegPipelineLib.core.store.schema import VERSION

    found = {
        "old": old,
        "saved": saved.to_dict(),
        "secret": saved.secret,
        "version": VERSION,
        "copy": sorted(one.name for one in (path.parent / "backups").glob("*")),
        "schema": schema["properties"],
        "required": schema["required"],
        "docs": docs.job_table(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    add(released_version())
    main()
