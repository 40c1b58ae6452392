"""The viewer of a share link in a frame of another site, where the administrator allows that site.

``/embed/SECRET`` is the viewer of the link's result, and what that page loads has addresses below it.
There the secret in the address is the only thing that counts: no cookie and no header says who asks. So a
page around the frame never acts as somebody who is logged in here, whatever it makes that person click,
and no browser has to send cookies to other sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import Scope

from ...core.errors import PipelineError
from . import audit_trail
from .access import Access
from .identify import of_links
from .principal import Principal

if TYPE_CHECKING:
    from ..context import WebContext

BASE = "autoseg.embedded"  # in the ASGI scope: with what the page's addresses begin, below the base path
_PREFIX = "/embed/"
_PAGE = "/view/"
_LONGEST = 100  # characters of a secret


@dataclass(frozen=True)
class Framed:
    """A request below ``/embed/SECRET``; ``path`` is the address that it stands for, below the base path."""

    secret: str
    path: str

    @property
    def is_page(self) -> bool:
        """Whether it is the page itself."""
        return self.path == _PAGE

    def principal(self, context: WebContext) -> Principal | None:
        """Who has this link; None where it does not hold."""
        single = len(self.secret) <= _LONGEST and "." not in self.secret
        return of_links(context, self.secret) if single else None

    def lead(self, context: WebContext, scope: Scope) -> None:
        """Let the route answer that this stands for. Raises ``account.unknown`` for a link that has ended."""
        found = context.accounts.links.find(self.secret)
        if found is None:
            raise ended()
        path = self.path
        if self.is_page:
            path += found.job
            context.accounts.links.noted_use(found.id)
            audit_trail.note(
                context, scope, "link.open", f"link {found.id}", job=found.job, detail=found.id, once=True
            )
        scope["path"] = context.config.base_path + path
        scope["raw_path"] = scope["path"].encode("utf-8")
        scope[BASE] = _PREFIX + self.secret


def framed(context: WebContext, scope: Scope) -> Framed | None:
    """What of a link a request wants; None for other addresses, and for all where no site is allowed."""
    path = scope["path"][len(context.config.base_path) :]
    if not context.config.web_embed_sites or not path.startswith(_PREFIX):
        return None
    secret, _, rest = path[len(_PREFIX) :].partition("/")
    return Framed(secret, f"/{rest}" if rest else _PAGE)


def ended() -> PipelineError:
    """What is wrong with an address whose link does not hold."""
    return PipelineError("account.unknown", "the link is wrong, has ended or was revoked", status=404)


def check(scope: Scope, row: Access, path: str) -> None:
    """Raise ``request.not_found`` for what no page in a frame needs, such as the login."""
    if BASE in scope and not row.share and path != "/static/{name:path}":
        raise PipelineError("request.not_found", "nothing has this address")


def base_of(context: WebContext, scope: Scope) -> str:
    """With what the addresses begin that the page of this request loads."""
    return context.config.base_path + str(scope.get(BASE, ""))
