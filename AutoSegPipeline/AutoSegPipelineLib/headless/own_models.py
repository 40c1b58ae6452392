"""Asks the workers' Python about your own models, and the running pipeline whether it knows of them."""

from __future__ import annotations

import json
import time
from typing import Dict, List, Mapping, TypedDict, cast

from ..core.engines import OWN_MODELS
from ..core.errors import from_dict
from ..core.settings import Settings
from ..core.store.ask import is_running
from ..runtime.processes.child_command import module_arguments
from .extras import ask, check_engine, workers_python
from .session import Session

_MANAGE = f"processing.engines.{OWN_MODELS}.manage"
_READ_SECONDS = 60.0
_CHECK_SECONDS = 3600.0  # a large model on a slow disk
_KNOWN_SECONDS = 15.0


class ClassDocument(TypedDict):
    """One structure of a model."""

    value: int
    name: str


class StageDocument(TypedDict):
    """One network of a model."""

    configuration: str
    folds: List[str]


class ModelDocument(TypedDict):
    """A model's record, as far as commands read it; ``--json`` prints all of it."""

    name: str
    title: str
    modality: str
    channels: List[str]
    patterns: List[str]
    classes: List[ClassDocument]
    stages: List[StageDocument]
    configuration: str
    bytes: int
    weights_sha256: str
    source: str
    added_at: str
    added_by: str
    licence: str
    trusted: bool


class Answer(TypedDict, total=False):
    """What is said about models; ``broken`` are errors about those that cannot be read."""

    folder: str
    model: ModelDocument
    models: List[ModelDocument]
    broken: List[Dict[str, str]]


def ask_models(settings: Settings, do: str, fields: Mapping[str, object] | None = None) -> Answer:
    """The answer to ``do`` (add, list, show, check, remove) about the models in ``models_dir``.

    Raises ``model.*``, ``engine.not_available``, ``engine.checkpoint_unsafe``, ``environment.*`` and
    ``worker.not_started``.
    """
    if do in ("add", "check"):
        check_engine(OWN_MODELS, settings)
    request = json.dumps({"do": do, "place": settings["models_dir"], **(fields or {})})
    seconds = _CHECK_SECONDS if do in ("add", "check") else _READ_SECONDS
    answer = ask(workers_python(settings), [*module_arguments(_MANAGE), request], seconds)
    if "error" in answer:
        raise from_dict(answer["error"])
    return cast(Answer, answer)


def wait_until_known(session: Session, name: str, there: bool) -> bool | None:
    """Whether the pipeline of this home knows by now that the model is there, or gone; None: none runs."""
    store = session.store()
    if store is None:
        return None
    try:
        if not is_running(session.home):
            return None
        until = time.monotonic() + _KNOWN_SECONDS
        while True:
            described = store.meta.get("describe") or {}
            tasks = [
                task["name"]
                for engine in described.get("engines", ())
                if engine["name"] == OWN_MODELS
                for task in engine["tasks"]
            ]
            if (name in tasks) is there and not described.get("stale"):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
    finally:
        store.close()
