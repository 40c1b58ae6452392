"""Write the library's table of TotalSegmentator's tasks and their labels, read from the installed package.

    PYTHON_WITH_TOTALSEGMENTATOR AutoSegPipeline/Testing/Python/support/task_labels.py

The table serves `--labels TASK` where the package is not installed. A test compares it with the package.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

TABLE = Path(__file__).resolve().parents[3] / "AutoSegPipelineLib" / "core" / "task_labels.json"
# Helpers in the package's table that write no result of their own.
_NO_TASKS = ("test",)


def package_labels() -> dict[str, dict[str, str]]:
    """Label -> name, by task, as the installed package says."""
    from totalsegmentator.map_to_binary import class_map

    return {
        task: {str(value): name for value, name in sorted(labels.items())}
        for task, labels in sorted(class_map.items())
        if task not in _NO_TASKS and not task.endswith("_auxiliary")
    }


def table_text() -> str:
    """One line for each task, so that a change of the package is a change of few lines."""
    tasks = ",\n".join(
        f"  {json.dumps(task)}: {json.dumps(labels)}" for task, labels in package_labels().items()
    )
    version = metadata.version("TotalSegmentator")
    return f'{{\n "package": "TotalSegmentator {version}",\n "tasks": {{\n{tasks}\n }}\n}}\n'


if __name__ == "__main__":
    TABLE.write_text(table_text(), encoding="utf-8", newline="\n")
    print(f"wrote {TABLE.name}: {len(package_labels())} tasks")
