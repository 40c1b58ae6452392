"""No circle among the imports of the library: each file can be read after those that it needs."""

from __future__ import annotations

import pytest
import support.skeleton as support
from support.import_graph import circles, described, import_graph, sources_of


def test_no_files_of_the_library_import_each_other() -> None:
    graph = import_graph(sources_of(support.LIBRARY))
    assert len(graph) > 300
    found = [described(graph, group) for group in circles(graph)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a.py": "from .b import x", "b.py": "from .a import y"}, [["a.py", "b.py"]]),
        ({"a.py": "from .b import x", "b.py": "def f():\n    from .a import y"}, [["a.py", "b.py"]]),
        ({"a.py": "from . import b", "b.py": "if TYPE_CHECKING:\n    from . import a"}, [["a.py", "b.py"]]),
        (
            {
                "core/a.py": "from ..web.b import x",
                "web/b.py": "import AutoSegPipelineLib.web.c",
                "web/c.py": "from AutoSegPipelineLib.core import a",
            },
            [["core/a.py", "web/b.py", "web/c.py"]],
        ),
        ({"a/__init__.py": "from .b import x", "a/b.py": "from . import y"}, [["a/__init__.py", "a/b.py"]]),
        ({"a.py": "from .a import x"}, [["a.py"]]),
        (
            {"a.py": "from .b import x", "b.py": "from .a import y", "c.py": "import d", "d.py": "import c"},
            [["a.py", "b.py"]],
        ),
        # No circle: a diamond, a chain, a package that gathers its files, a name that is also a module's.
        (
            {"a.py": "from . import b, c", "b.py": "from . import d", "c.py": "from . import d", "d.py": ""},
            [],
        ),
        ({"a.py": "from .b import x", "b.py": "import json", "json.py": "from . import a"}, []),
        ({"a/__init__.py": "from .b import x", "a/b.py": "from .c import y", "a/c.py": ""}, []),
        ({"a/__init__.py": "from .b import x", "a/b.py": "from . import c", "a/c.py": ""}, []),
    ],
)
def test_the_finder_sees_every_kind_of_circle(sources: dict[str, str], expected: list[list[str]]) -> None:
    assert circles(import_graph(sources)) == expected


def test_a_circle_is_described_by_its_files_and_names() -> None:
    sources = {
        "core/a.py": "from .b import one, two",
        "core/b.py": "def f():\n    from . import a",
        "c.py": "",
    }
    graph = import_graph(sources)
    assert described(graph, circles(graph)[0]) == (
        "2 files import each other:\n"
        "  core/a.py takes one, two from core/b.py\n"
        "  core/b.py takes a from core/a.py"
    )
