"""Adding and checking models under the workers' Python, which has torch; one line of JSON answers.

``python -m AutoSegPipelineLib.processing.engines.nnunet.manage REQUEST`` with a JSON object: ``do``
(``add``, ``check``, ``list``, ``show``, ``remove``), ``place`` (the folder of models, empty for the usual
one), and for ``add`` the fields of :class:`.adding.Wanted`, for the others ``name``. The answer holds
``model`` or ``models``; what is copied and checked meanwhile stands on standard error.
"""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import Callable, Mapping

from ....core.errors import PipelineError
from ....core.specs import did_you_mean
from ...answer_line import print_answer
from . import store
from .adding import Wanted, add
from .checking import check


def answer(request: Mapping[str, object]) -> dict[str, object]:
    """Do what ``request`` asks; raises :class:`PipelineError`."""
    place, name = store.folder(str(request.get("place") or "") or None), str(request.get("name") or "")
    do = request.get("do")
    if do == "add":
        return {"model": add(place, _wanted(request), _say).to_dict()}
    if do == "check":
        return {"model": check(place, name).to_dict()}
    if do == "show":
        return {"model": store.model(place, name).to_dict()}
    if do == "list":
        return {
            "folder": str(place),
            "models": [one.to_dict() for one in store.models(place)],
            "broken": [error.to_dict() for error in store.broken(place)],
        }
    if do == "remove":
        store.remove(place, name)
        return {"removed": name}
    raise PipelineError("request.invalid", f"do: {do!r} is not known")


def _wanted(request: Mapping[str, object]) -> Wanted:
    known = {field.name for field in fields(Wanted)}
    given = {key: value for key, value in request.items() if value not in (None, "", [])}
    for key in ("do", "place"):
        given.pop(key, None)
    for key in given:
        if key not in known:
            raise PipelineError("request.invalid", f"add has no field {key!r}{did_you_mean(key, known)}")
    for key, value in given.items():
        if isinstance(value, list):
            given[key] = tuple(str(one) for one in value)
        elif key in ("source", "labels"):
            given[key] = Path(str(value)).expanduser()
    if "source" not in given:
        raise PipelineError("request.invalid", "add needs a source")
    return Wanted(**given)  # type: ignore[arg-type]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main(arguments: list[str]) -> int:
    """Answer the request in ``arguments``; the exit code."""
    try:
        request = json.loads(arguments[0])
    except (IndexError, ValueError):
        request = None
    if not isinstance(request, dict):
        sys.stderr.write("one argument, a JSON object, is needed\n")
        return 2
    return print_answer(lambda: _quiet_answer(request))


def _quiet_answer(request: Mapping[str, object]) -> dict[str, object]:
    # nnU-Net prints; the answer alone belongs on standard output.
    with redirect_stdout(sys.stderr):
        try:
            return answer(request)
        except Exception as error:  # whatever the model did, there is an answer
            raise coded(error, _say) from None


def coded(error: Exception, log: Callable[[str], None]) -> PipelineError:
    """``error``, which is being handled, for the answer; ``log`` gets the traceback of an unforeseen one."""
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, ImportError):
        return PipelineError("engine.not_available", f"the workers' Python cannot load models: {error}")
    log(traceback.format_exc()[-8000:])
    return PipelineError("model.invalid", f"{type(error).__name__}: {error}"[:2000])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
