"""One line of ``doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line: ``status`` ok, warn or FAIL; ``fix`` says what to do."""

    name: str
    status: str
    text: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        return {**asdict(self), "status": self.status.lower()}
