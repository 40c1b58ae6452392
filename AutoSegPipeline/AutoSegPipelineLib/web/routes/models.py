"""``/api/v1/models``: your own trained models, added, checked and removed by admins.

A model's checkpoint is code of whoever made it. This process stores what is uploaded and never opens it:
the pipeline has a child of its own check and keep it, and the answer stands in the request's row.
"""

from __future__ import annotations

from typing import List, Optional, cast

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from ...core import model_uploads
from ...core.commands import AddModel, CheckModel, RemoveModel
from ...core.engines import models_folder
from ...core.errors import PipelineError
from ...core.hints import PAGE, error_at
from ...core.model_records import read_records
from ...intake.received.client_input import clean_name, last_part
from ..ask import ask, check_running
from ..context import WebContext, context_of
from ..gate import audit_trail
from ..gate.principal import ADMIN, Principal, needs
from ..models import PROBLEMS
from ..uploads.body import Interrupted, chunks, length_of
from ..uploads.file_writer import FileWriter
from ..uploads.responses import interrupted
from ..uploads.service import Uploads

router = APIRouter(prefix="/api/v1/models", tags=["models"], responses=PROBLEMS)
_REMOVE_SECONDS = 60.0
_admin = needs(ADMIN)


class ModelClassDocument(BaseModel):
    """One structure of a model: its label and its name."""

    value: int
    name: str


class ModelDocument(BaseModel):
    """One model: a task of the engine of own models. More of its record comes along."""

    model_config = ConfigDict(extra="allow")
    name: str
    title: str
    modality: str
    channels: List[str]
    classes: List[ModelClassDocument]
    configuration: str
    bytes: int
    weights_sha256: str
    source: str
    added_at: str
    added_by: str
    licence: str
    trusted: bool


class ModelList(BaseModel):
    """The models by name, and the names of those whose record cannot be read."""

    models: List[ModelDocument]
    broken: List[str]


class ModelFile(BaseModel):
    """A file that was stored, for ``upload`` of a new model."""

    upload: str
    bytes: int


class NewModel(BaseModel):
    """What to add. Empty texts leave it to the model itself.

    ``channels``: a pattern such as ``T1*`` for each channel, by which a DICOM series is found. ``trust``: its
    checkpoints are loaded although they may run code.
    """

    upload: str = Field(min_length=32, max_length=32)
    name: str = Field("", max_length=63)
    title: str = Field("", max_length=120)
    modality: str = Field("", pattern="^(CT|MR|)$")
    channels: List[str] = Field(default_factory=list, max_length=16)
    folds: List[str] = Field(default_factory=list, max_length=16)
    checkpoint: str = Field("", max_length=80)
    configuration: str = Field("", max_length=80)
    trainer: str = Field("", max_length=120)
    trust: bool = False
    replace: bool = False


class Asked(BaseModel):
    """The number under which the answer will stand."""

    request: int


class ModelAnswer(BaseModel):
    """``done`` is false while the model is being checked; ``error`` is why it was not taken."""

    done: bool
    error: Optional[dict[str, str]] = None


@router.get("", response_model=ModelList)
async def list_models(request: Request, principal: Principal = Depends(_admin)) -> object:
    """The models that were added."""
    records, broken = read_records(models_folder(context_of(request).config.models_dir))
    return {"models": records, "broken": broken}


@router.put("/files/{name}", response_model=ModelFile, status_code=201)
async def put_model_file(
    request: Request,
    name: str,
    kind: str = Query(model_uploads.MODEL, pattern="^(model|labels)$", description="a zip, or a table"),
    upload: str = Query("", max_length=32, description="of the file to which this one belongs"),
    principal: Principal = Depends(_admin),
) -> Response:
    """Store the zip of a model, or the table of names that belongs to one; nothing is opened."""
    context = context_of(request)
    uploads = cast(Uploads, context.shared["uploads"])
    uploads.admission.check(principal.name, length_of(request) or 0)
    model_uploads.forget_old(context.home, uploads.limits.expire_seconds)
    number = upload or model_uploads.new_upload(context.home)
    folder = model_uploads.place_of(context.home, number) / kind
    folder.mkdir(mode=0o700, exist_ok=True)
    for earlier in folder.iterdir():
        earlier.unlink()
    writer = FileWriter(uploads.disk.pool, folder / last_part(clean_name(name)), uploads.limits)
    try:
        async for data in chunks(request):
            await writer.write(data)
        written = await writer.finish(durable=True)
    except Interrupted as error:
        await writer.abandon()
        return interrupted(str(error))
    except BaseException:
        await writer.abandon()
        raise
    return JSONResponse({"upload": number, "bytes": written.size}, 201)


@router.post("", response_model=Asked, status_code=202)
async def add_model(request: Request, given: NewModel, principal: Principal = Depends(_admin)) -> object:
    """Have the pipeline check and keep what was uploaded."""
    context = context_of(request)
    files = model_uploads.upload_folder(context.home, given.upload)
    detail = f"{given.name or files.model.name}{', trusted' if given.trust else ''}"
    audit_trail.note(context, request.scope, "model.add", principal.name, detail=detail)
    command = AddModel(
        given.upload, given.name, given.title, given.modality, "\n".join(given.channels),
        "\n".join(given.folds), given.checkpoint, given.configuration,
        given.trainer, given.trust, given.replace, principal.name,
    )  # fmt: skip
    return {"request": _asked(context, command, principal)}


@router.post("/{name}/check", response_model=Asked, status_code=202)
async def check_model(request: Request, name: str, principal: Principal = Depends(_admin)) -> object:
    """Have the pipeline check that a model is as it was added and can run."""
    return {"request": _asked(context_of(request), CheckModel(name), principal)}


@router.get("/requests/{number}", response_model=ModelAnswer)
async def model_answer(request: Request, number: int, principal: Principal = Depends(_admin)) -> object:
    """What became of adding or checking a model."""
    context = context_of(request)
    if context.store.requests.kind_of(number) not in (AddModel.name, CheckModel.name):
        raise PipelineError("request.not_found", f"there is no request {number} about a model", status=404)
    answer = context.store.requests.answer_of(number)
    if answer is None:
        check_running(context)
        return {"done": False}
    error = cast("dict[str, str] | None", answer.get("error"))
    return {"done": True, "error": error_at(PAGE, error)}


@router.delete("/{name}", status_code=204)
async def remove_model(request: Request, name: str, principal: Principal = Depends(_admin)) -> Response:
    """Remove a model. Results that it made stay."""
    context = context_of(request)
    audit_trail.note(context, request.scope, "model.remove", principal.name, detail=name[:63])
    await ask(context, RemoveModel(name), principal.name, _REMOVE_SECONDS)
    return Response(status_code=204)


def _asked(context: WebContext, command: AddModel | CheckModel, principal: Principal) -> int:
    check_running(context)
    return context.store.requests.ask(command, principal.name)
