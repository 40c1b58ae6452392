"""Is it alive, is it ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, Any]:
    """Alive when it answers."""
    return {"status": "ok"}
