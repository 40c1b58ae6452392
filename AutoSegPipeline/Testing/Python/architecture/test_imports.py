"""Who may import whom: rooms of the library and packages of others, read from the source with ast."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import support.skeleton as support

ROOMS = {
    "core": set(),
    "formats": {"core"},
    "intake": {"core", "formats"},
    "processing": {"core", "formats"},
    "runtime": {"core", "intake"},
    "web": {"core", "intake"},
    "dicom": {"core", "formats", "intake"},
    "cluster": {"core"},
    "slicer_app": {"core", "formats", "intake", "processing", "runtime", "web", "dicom"},
    "headless": {"core", "formats", "intake", "processing", "runtime", "web", "dicom", "cluster"},
}
SLICERS = {"slicer", "ctk", "SlicerLib", "mrml", "sitkUtils", "WebServer", "WebServerLib"}
QT = {"qt", "PySide6", "PySide2", "PyQt5", "PyQt6", "PythonQt"}
# What every Slicer since 5.6 brings; anything else is imported where it is used.
BUNDLED = {"vtk", "vtkmodules", "numpy", "SimpleITK", "pydicom", "scipy", "requests"}
# Only the web child has them; what the command line and Slicer ask of `web` must do without (test_web_child).
WEB = {
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "prometheus_client",
    "python_multipart",
    "h11",
    "jinja2",
    "zipstream",
}
ENGINES = {"totalsegmentator", "torch", "nnunetv2"}


class Import:
    """One import: the room and file it is in, the dotted name, and whether it runs when the file loads."""

    def __init__(self, path: Path, name: str, line: int, at_load: bool) -> None:
        relative = path.relative_to(support.LIBRARY)
        self.room = relative.parts[0] if len(relative.parts) > 1 else ""
        self.name = name
        self.top = name.split(".")[0]
        self.at_load = at_load
        self.where = f"{relative.as_posix()}:{line}"

    @property
    def room_imported(self) -> str:
        """The room of ours that it names, or nothing."""
        parts = self.name.split(".")
        return parts[1] if parts[0] == "AutoSegPipelineLib" and len(parts) > 1 else ""


def imports_of(source: str, path: Path) -> list[Import]:
    """Every import in ``source``; relative ones are made absolute, type-checking blocks do not count."""
    package = ["AutoSegPipelineLib", *path.relative_to(support.LIBRARY).parts[:-1]]
    found: list[Import] = []

    def visit(node: ast.AST, at_load: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.orelse:
                visit(child, at_load)
            return
        if isinstance(node, ast.Import):
            found.extend(Import(path, alias.name, node.lineno, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found.extend(Import(path, f"{stem}.{alias.name}", node.lineno, at_load) for alias in node.names)
        inside = at_load and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), True)
    return found


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return [
        one for path in support.library_files() for one in imports_of(path.read_text(encoding="utf-8"), path)
    ]


def third_party(one: Import) -> bool:
    """Whether it comes from neither the standard library nor us."""
    return one.top not in sys.stdlib_module_names and one.top != "AutoSegPipelineLib"


def wrong_rooms(found: list[Import]) -> list[str]:
    """Imports of a room that the table does not allow."""
    return [
        f"{one.where}: {one.room} imports {one.room_imported}"
        for one in found
        if one.room_imported in ROOMS
        and one.room_imported != one.room
        and one.room_imported not in ROOMS.get(one.room, set())
    ]


def test_rooms_import_only_the_rooms_they_may(imports: list[Import]) -> None:
    assert wrong_rooms(imports) == []


def test_every_folder_of_the_library_is_a_room_of_the_table() -> None:
    folders = {
        path.name for path in support.LIBRARY.iterdir() if path.is_dir() and (path / "__init__.py").exists()
    }
    assert folders <= set(ROOMS)


def test_core_needs_the_standard_library_only(imports: list[Import]) -> None:
    assert [
        f"{one.where}: {one.name}" for one in imports if one.room in ("", "core") and third_party(one)
    ] == []


def test_formats_needs_numpy_and_the_standard_library_only(imports: list[Import]) -> None:
    found = [one for one in imports if one.room == "formats" and third_party(one)]
    # DICOM has readers of its own, imported where a segmentation is read.
    dicom = [one for one in found if one.where.startswith("formats/dicom_seg/") and not one.at_load]
    rest = [one for one in found if one not in dicom]
    assert {one.top for one in rest} == {"numpy"}, [f"{one.where}: {one.name}" for one in rest]
    assert {one.top for one in dicom} == {"pydicom", "highdicom"}


def test_only_slicers_own_room_imports_slicer(imports: list[Import]) -> None:
    assert [
        f"{one.where}: {one.name}" for one in imports if one.top in SLICERS and one.room != "slicer_app"
    ] == []


def test_only_rooms_with_an_event_loop_import_qt(imports: list[Import]) -> None:
    allowed = {"runtime", "slicer_app", "headless"}
    assert [f"{one.where}: {one.name}" for one in imports if one.top in QT and one.room not in allowed] == []


def test_one_file_alone_chooses_between_slicers_qt_and_pyside(imports: list[Import]) -> None:
    users = {one.where.rpartition(":")[0] for one in imports if one.top == "PySide6"}
    assert len(users) <= 1, users


def test_what_slicer_does_not_bundle_is_imported_where_it_is_used(imports: list[Import]) -> None:
    early = [
        f"{one.where}: {one.name}"
        for one in imports
        if one.at_load
        and third_party(one)
        and one.top not in BUNDLED | QT | SLICERS
        and one.room != "headless"
        and not (one.room == "web" and one.top in WEB)
    ]
    assert early == []


def test_engine_packages_are_imported_inside_functions(imports: list[Import]) -> None:
    assert [f"{one.where}: {one.name}" for one in imports if one.at_load and one.top.lower() in ENGINES] == []


def test_the_module_file_imports_slicer_and_qt_only() -> None:
    tree = ast.parse((support.MODULE / "AutoSegPipeline.py").read_text(encoding="utf-8"))
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} <= {"__future__", "qt", "slicer"}


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("core/x.py", "from ..runtime import watcher", True),
        ("core/x.py", "from .. import intake", True),
        ("processing/writers/x.py", "def f():\n    from ...intake.names import stem", True),
        ("processing/writers/x.py", "from ...core.errors import PipelineError", False),
        ("intake/x.py", "from .names import stem", False),
        ("slicer_app/x.py", "import AutoSegPipelineLib.headless.cli", True),
    ],
)
def test_the_walk_sees_relative_absolute_and_late_imports(file: str, source: str, wrong: bool) -> None:
    assert bool(wrong_rooms(imports_of(source, support.LIBRARY / file))) is wrong


# --- doors -----------------------------------------------------------------------------------------

# Where a scan comes in from outside; what they receive becomes jobs through RECEIVED alone.
DOORS = ("web/uploads", "slicer_app/server", "dicom")
RECEIVED = "intake/received"
SERVANTS = ("runtime/staging",)  # carries a hand-over to the intake child for doors in the pipeline's process
WRITERS = ("stage", "write_intent", "input_of")  # what else fills state/incoming


def lies_in(one: Import, folder: str) -> bool:
    return one.where.startswith(folder + "/")


def names(one: Import, folder: str) -> bool:
    return f"{one.name}.".startswith(f"AutoSegPipelineLib.{folder.replace('/', '.')}.")


def doors_opened(found: list[Import]) -> list[str]:
    """Imports of one door by another, of the page's rooms by Slicer's server, of a room above by RECEIVED."""
    wrong = [
        one
        for one in found
        for door in DOORS
        if names(one, door) and any(lies_in(one, other) for other in DOORS if other != door)
    ]
    wrong += [one for one in found if one.room == "slicer_app" and names(one, "web.uploads")]
    wrong += [one for one in found if lies_in(one, "slicer_app/server") and one.room_imported == "web"]
    wrong += [
        one
        for one in found
        if lies_in(one, RECEIVED)
        and one.top == "AutoSegPipelineLib"
        and one.room_imported not in ("core", "intake")
    ]
    return [f"{one.where}: {one.name}" for one in wrong]


def test_no_door_imports_another_and_the_room_of_all_doors_imports_none(imports: list[Import]) -> None:
    assert doors_opened(imports) == []


def own_ways(where: str, source: str) -> list[str]:
    """How a file of a door brings bytes to ``state/incoming`` by itself: nobody but Handover may."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] in ("incoming", "core"):
            found += [alias.name for alias in node.names if alias.name in WRITERS]
        elif isinstance(node, ast.Attribute) and node.attr in ("incoming", *WRITERS):
            found.append(node.attr)
    return [f"{where}: {name}" for name in found]


def test_every_door_that_makes_jobs_of_received_files_goes_through_the_handover(
    imports: list[Import],
) -> None:
    ways = []
    for door in DOORS:
        for path in sorted((support.LIBRARY / door).rglob("*.py")):
            ways += own_ways(path.relative_to(support.LIBRARY).as_posix(), path.read_text(encoding="utf-8"))
    assert ways == []
    receivers = {door_of(one) for one in imports if one.name.endswith(".ReceivedFile")} - {RECEIVED}
    users = {door_of(one) for one in imports if one.name.endswith("handover.Handover")}
    assert receivers >= {"web/uploads", "slicer_app/server"}
    assert receivers <= {*DOORS, *SERVANTS}, "a door that this test does not know: add it to DOORS"
    assert receivers - users == set(), "a door goes another way"


def door_of(one: Import) -> str:
    return next((door for door in (*DOORS, *SERVANTS, RECEIVED) if lies_in(one, door)), one.where)


@pytest.mark.parametrize(
    "source",
    [
        "from ...core.incoming import stage",
        "from ...core import incoming\ndef f(home, intent):\n    incoming.write_intent(home, intent)",
        "import os\ndef f(host, part):\n    os.rename(part, host.home.incoming / part.stem)",
    ],
)
def test_a_door_that_fills_incoming_by_itself_is_seen(source: str) -> None:
    assert own_ways("slicer_app/server/x.py", source)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("slicer_app/server/x.py", "from ...web.uploads.body import chunks"),
        ("slicer_app/x.py", "from ..web.uploads import digests"),
        ("slicer_app/server/x.py", "from ...web.http.sockets import claim"),
        ("web/uploads/x.py", "from ...dicom.receive import Receiver"),
        ("intake/received/x.py", "def f():\n    from ...web.config import WebConfig"),
        ("intake/received/x.py", "from ...runtime import qt"),
    ],
)
def test_a_way_around_the_room_of_all_doors_is_seen(file: str, source: str) -> None:
    assert doors_opened(imports_of(source, support.LIBRARY / file))
