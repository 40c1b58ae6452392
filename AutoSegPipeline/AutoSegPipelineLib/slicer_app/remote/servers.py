"""Which servers this user knows: name, address and token, in a file that is private to the user."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Sequence
from urllib.parse import urlsplit

from ...core.errors import PipelineError
from ...core.files import read_json, write_json
from ...web.config import is_loopback

FILE = "servers.json"
_NAME = re.compile(r"[^\x00-\x1f]{1,60}")


@dataclass(frozen=True)
class Server:
    """``url`` is the address of its page, ``token`` of an account there, ``ca`` a file of certificates."""

    name: str
    url: str
    token: str = ""
    ca: str = ""

    @property
    def key(self) -> str:
        """The name of its folder here: another address is another server."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def checked(self) -> Server:
        """With a plain address; raises ``request.invalid``. Tokens and scans leave by TLS only."""
        if not _NAME.fullmatch(self.name.strip()):
            raise PipelineError("request.invalid", "a server has a name", "Give it any short name.")
        parts = urlsplit(self.url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise PipelineError(
                "request.invalid", f"{self.url!r} is no address", "Write it as https://server.example:8080"
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise PipelineError(
                "request.invalid",
                f"{parts.hostname} would get scans and the token without encryption",
                "Use https://; on the server, the settings tls_cert and tls_key.",
            )
        if not self.token.isascii() or any(one.isspace() for one in self.token.strip()):
            raise PipelineError("request.invalid", "the token holds letters that no token has")
        url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        return Server(self.name.strip(), url, self.token.strip(), self.ca.strip())


class Servers:
    """The file ``state/servers.json`` of a home."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE

    def list(self) -> List[Server]:
        """In the order in which they were added; a damaged file is an empty one."""
        try:
            return [Server(**row) for row in read_json(self._path)]
        except (OSError, ValueError, TypeError):
            return []

    def add(self, server: Server) -> Server:
        """Add it, or replace the one of its name; raises ``request.invalid``."""
        server = server.checked()
        rest = [one for one in self.list() if one.name != server.name]
        self._write([*rest, server])
        return server

    def remove(self, name: str) -> None:
        """Forget it with its token."""
        self._write([one for one in self.list() if one.name != name])

    def find(self, name: str) -> Server | None:
        """The one of this name."""
        return next((one for one in self.list() if one.name == name), None)

    def _write(self, servers: Sequence[Server]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._path.exists():
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
        write_json(self._path, json.loads(json.dumps([asdict(one) for one in servers])))
