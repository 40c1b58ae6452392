"""A process in which the table of formats has one more row: what follows from it, printed as JSON.

Called with a ``.seg.nrrd`` and an empty folder; with a third word the new file is damaged before the check.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from AutoSegPipelineLib.core import result_formats

ROW = result_formats.ResultFormat(
    "names", "List of names", {".names.txt": "text/plain; charset=utf-8"}, "names", "one structure per line"
)


def writer() -> ModuleType:
    """The format's own file: ``processing/writers/names.py``."""
    module = ModuleType("AutoSegPipelineLib.processing.writers.names")

    def write(path: Path, data: Any, report: Any) -> None:
        path.write_text("\n".join(one.name for one in data.measured), encoding="utf-8")

    def verify(path: Path, data: Any) -> None:
        if path.read_text(encoding="utf-8").split() != [one.name for one in data.measured]:
            raise ValueError("other names")

    module.write, module.verify = write, verify  # type: ignore[attr-defined]
    return module


def add() -> None:
    """Add the row before anything that derives from the table is imported."""
    rows = (*result_formats.FORMATS, ROW)
    source = Path(result_formats.__file__).read_text(encoding="utf-8")
    derived = source[source.index("\nBY_KIND") :]
    result_formats.FORMATS = rows
    exec(compile(derived, result_formats.__file__, "exec"), vars(result_formats))
    sys.modules["AutoSegPipelineLib.processing.writers.names"] = writer()


def main() -> None:
    """Print what each part of the program knows of the row."""
    from AutoSegPipelineLib.core import specs
    from AutoSegPipelineLib.core.errors import PipelineError
    from AutoSegPipelineLib.headless.cli import cli
    from AutoSegPipelineLib.processing import export
    from AutoSegPipelineLib.processing.case import Case
    from AutoSegPipelineLib.processing.process import process_case
    from AutoSegPipelineLib.runtime.ending import publisher
    from AutoSegPipelineLib.web.http.file_response import media_type
    from AutoSegPipelineLib.web.routes.engines import document_of
    from click.testing import CliRunner

    from support import docs
    from support.processing import Recorder, case_message

    scan, folder, *damage = sys.argv[1:]
    if damage:
        sealed = export.seal

        def cut(kind: str, path: Path) -> Any:
            if kind == ROW.kind:
                path.write_text("lung", encoding="utf-8")
            return sealed(kind, path)

        export.seal = cut
    message = case_message(Path(scan), Path(folder), kind="segmentation", options={"formats": ["names"]})
    try:
        outputs = [output.name for output in process_case(Case.from_dict(message), Recorder()).outputs]
        error = ""
    except PipelineError as failed:
        outputs, error = [], f"{failed.code}: {failed.message}"
    found = {
        "choices": list(specs.find("formats", "test").choices),
        "default": list(specs.find("formats", "test").default),
        "parsed": specs.parse_options({"formats": "names"}, "test")["formats"],
        "help": CliRunner().invoke(cli, ["run", "--help"], terminal_width=2000).output,
        "media_type": media_type("a.names.txt"),
        "endings": list(publisher.ENDINGS),
        "docs": docs.formats_table(),
        "options_docs": docs.options_table(),
        "engines": document_of(None, {}),
        "outputs": outputs,
        "error": error,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    add()
    main()
