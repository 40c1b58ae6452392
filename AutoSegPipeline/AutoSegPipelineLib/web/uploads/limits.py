"""How much may come in: from one request, from one account, and until the disk is nearly full."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import PipelineError
from ...core.files import free_bytes
from ..config import WebConfig

_MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bytes, counts and seconds, from the settings."""

    upload_bytes: int  # of one file, one request and one batch
    files: int  # of one request and one batch
    quota_bytes: int  # of one account: under way, or waiting for their end
    min_free_bytes: int  # that always stay free on the disk
    expire_seconds: float

    @classmethod
    def of(cls, config: WebConfig) -> Limits:
        """The limits of one web child."""
        return cls(
            config.upload_max_mb * _MB,
            config.upload_max_files,
            config.upload_quota_mb * _MB,
            config.disk_min_free_mb * _MB,
            config.upload_expire_hours * 3600,
        )

    def check_size(self, size: int, what: str) -> None:
        """Raise ``request.too_large`` above the limit of one upload."""
        if size > self.upload_bytes:
            raise PipelineError(
                "request.too_large",
                f"{what} is larger than {self.upload_bytes // _MB} MB (upload_max_mb)",
                status=413,
            )

    def check_count(self, count: int) -> None:
        """Raise ``request.too_large`` above the limit of files at once."""
        if count > self.files:
            raise PipelineError(
                "request.too_large", f"more than {self.files} files at once (upload_max_files)", status=413
            )

    def check_quota(self, waiting: int, size: int) -> None:
        """Raise ``web.upload_quota`` where ``size`` more bytes are too many beside those ``waiting``."""
        if waiting + size > self.quota_bytes:
            raise PipelineError(
                "web.upload_quota",
                f"{waiting // _MB} MB of yours are waiting; with {size // _MB} MB more it would be above "
                f"{self.quota_bytes // _MB} MB (upload_quota_mb)",
            )

    def check_disk(self, folder: Path, size: int = 0) -> None:
        """Raise ``environment.disk_full`` where ``size`` more bytes would leave too little free."""
        free = free_bytes(folder)
        if free - size < self.min_free_bytes:
            raise PipelineError(
                "environment.disk_full",
                f"{free // _MB} MB are free on the server's disk, and {self.min_free_bytes // _MB} MB must "
                "stay free",
                status=507,
            )
