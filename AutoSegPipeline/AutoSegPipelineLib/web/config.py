"""What the web child knows of the pipeline that started it."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..core.home import Home
from ..core.settings import Settings
from ..core.specs import OPTION_NAMES

_SETTINGS = (
    "host", "port", "tls_cert", "tls_key", "insecure", "trusted_proxy", "server_names", "audit_days",
    "visibility",
    "upload_max_mb", "upload_max_files", "upload_quota_mb", "upload_expire_hours", "session_hours",
    "webhook_url", "webhook_secret", "disk_min_free_mb", "archive_max_mb", "archive_max_files", "grace_hours",
    "models_dir", "oidc", "web_embed_sites",
)  # fmt: skip


@dataclass(frozen=True)
class WebConfig:
    """Places, settings and limits of one web child."""

    root: str
    inbox: str
    results: str
    state: str
    host: str = "127.0.0.1"
    port: int = 8080
    base_path: str = ""  # "" or "/autoseg", without a slash at its end
    tls_cert: str = ""
    tls_key: str = ""
    insecure: bool = False
    trusted_proxy: list[str] = field(default_factory=list)
    server_names: list[str] = field(default_factory=list)
    web_embed_sites: list[str] = field(default_factory=list)
    audit_days: float = 400.0
    visibility: str = "all"
    upload_max_mb: int = 16384
    upload_max_files: int = 20000
    upload_quota_mb: int = 65536
    upload_expire_hours: float = 24.0
    session_hours: float = 12.0
    webhook_url: str = ""
    webhook_secret: str = ""
    disk_min_free_mb: int = 500
    archive_max_mb: int = 16384
    archive_max_files: int = 20000
    grace_hours: float = 24.0  # how long the scan behind a result can still be shown
    models_dir: str = ""  # as the setting; empty means the usual place
    oidc: str = ""  # path of the file about the provider for single sign-on
    assets: str = ""  # folder of the viewer's JavaScript libraries; empty where there is none
    version: str = ""  # of this program
    options: dict[str, object] = field(default_factory=dict)  # defaults of case options, for /engines

    @classmethod
    def of(cls, home: Home, settings: Settings) -> WebConfig:
        """The configuration of a pipeline's web child."""
        from .. import __version__

        path = str(settings["base_path"]).strip().strip("/")
        return cls(
            root=str(home.root),
            inbox=str(home.inbox),
            results=str(home.results),
            state=str(home.state),
            base_path=f"/{path}" if path else "",
            assets=str(viewer_folder(home)),
            version=__version__,
            options={name: settings[name] for name in OPTION_NAMES},
            **{name: settings[name] for name in _SETTINGS},
        )

    @property
    def home(self) -> Home:
        """The folders."""
        return Home.at(Path(self.root), Path(self.inbox), Path(self.results), Path(self.state))

    @property
    def tls(self) -> bool:
        """Whether it speaks HTTPS itself."""
        return bool(self.tls_cert)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def url(self, port: int) -> str:
        """Where a browser on this machine finds the page."""
        host = self.host
        if host in ("", "0.0.0.0", "::", "[::]"):
            host = "127.0.0.1"
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"{'https' if self.tls else 'http'}://{host}:{port}{self.base_path}/"


def viewer_folder(home: Home) -> Path:
    """Where npm has put the viewer's libraries: in the home, else in the environment of ``autoseg.py``."""
    own = home.state / "assets"
    return own if own.is_dir() else Path(sys.prefix) / "viewer"


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or an address) is this machine only.

    Of names only ``localhost``: where another one leads to can change.
    """
    host = host.strip("[]").rstrip(".")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
