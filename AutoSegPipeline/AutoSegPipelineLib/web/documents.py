"""Jobs and results as JSON, with the addresses of what belongs to them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ..core import states
from ..core.hints import PAGE, error_at
from ..core.job import Job
from .context import WebContext


def links(base: str, job: Job) -> dict[str, str | None]:
    """Addresses by job id, never by name alone."""
    here = f"{base}/api/v1/jobs/{job.id}"
    results = f"{base}/api/v1/results/{job.id}"
    return {
        "self": here,
        "log": f"{here}/log",
        "files": results if job.has_result else None,
        "zip": f"{results}.zip" if job.has_result else None,
    }


def job_document(context: WebContext, job: Job) -> dict[str, object]:
    """:meth:`Job.to_dict` and ``links``; the hint of its error is the one for the page."""
    document = job.to_dict()
    return {**document, "error": error_at(PAGE, job.error), "links": links(context.config.base_path, job)}


def file_document(base: str, job: Job, output: dict[str, Any]) -> dict[str, object]:
    """One result file and its address."""
    return {
        "kind": output["kind"],
        "name": output["name"],
        "size": output["size"],
        "sha256": output["sha256"],
        "href": f"{base}/api/v1/results/{job.id}/files/{quote(output['name'])}",
    }


def result_document(context: WebContext, job: Job) -> dict[str, Any]:
    """A finished case with its files."""
    base = context.config.base_path
    files = [file_document(base, job, output) for output in job.outputs]
    return {
        "job": job.id,
        "name": job.name,
        "label": job.label,
        "finished": job.times.get(states.DONE),
        "engine": job.engine,
        "modality": job.modality,
        "version": job.version,
        "cached_from": job.cached_from,
        "warnings": job.warnings,
        "size": sum(one["size"] for one in files),
        "files": files,
        "links": links(base, job),
    }
