"""``/api/v1/engines``: what the workers can do here, and the options of a case as JSON schemas."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from ...core import specs
from ...core.engines import ELSEWHERE
from ...core.result_formats import FORMATS
from ...core.spec import Spec
from ..context import context_of
from ..gate.principal import VIEWER, Principal, needs
from ..models import PROBLEMS, Engines, FormatDocument

router = APIRouter(prefix="/api/v1/engines", tags=["engines"], responses=PROBLEMS)
_TYPES = {"bool": "boolean", "int": "integer", "float": "number", "choice": "string", "text": "string"}


@router.get("", response_model=Engines)
async def engines(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Any:
    """Engines, their tasks and what they lack, as the first worker reported; options with their defaults."""
    context = context_of(request)
    return document_of(context.store.meta.get("describe"), context.config.options)


def document_of(described: dict[str, Any] | None, defaults: dict[str, Any]) -> dict[str, Any]:
    """The answer: what a worker reported (None: nothing yet) and what the tables of this program say."""
    rows = (described or {}).get("engines", [])
    return {
        "known": described is not None,
        "engines": [{**row, "alone": row["name"] in ELSEWHERE} for row in rows],
        "options": {spec.name: schema_of(spec, defaults.get(spec.name)) for spec in specs.OPTIONS},
        "formats": [{name: getattr(row, name) for name in FormatDocument.model_fields} for row in FORMATS],
    }


def schema_of(spec: Spec, default: Any = None) -> dict[str, Any]:
    """The JSON schema of one option; ``default`` is the one of this pipeline."""
    shown = spec.default if default is None else default
    schema: dict[str, Any] = {"title": spec.name, "description": spec.help}
    if spec.kind == "list":
        items: dict[str, Any] = {"type": "string"}
        if spec.choices:
            items["enum"] = list(spec.choices)
        return {"type": "array", "items": items, "uniqueItems": True, **schema, "default": list(shown)}
    schema = {"type": _TYPES[spec.kind], **schema, "default": shown}
    if spec.choices:
        schema["enum"] = list(spec.choices)
    if spec.minimum is not None:
        schema["minimum"] = spec.minimum
    if spec.maximum is not None:
        schema["maximum"] = spec.maximum
    return schema
