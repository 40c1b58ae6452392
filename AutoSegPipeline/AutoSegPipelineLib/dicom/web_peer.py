"""A peer's DICOMweb service: who we say we are, and its errors in our words."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

from ..core.errors import PipelineError
from ..core.pacs.config import Peer, WebAccess

if TYPE_CHECKING:
    from dicomweb_client.web import DICOMwebClient
    from requests import PreparedRequest, Request, Session

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0  # without a byte


@contextlib.contextmanager
def web_client(name: str, peer: Peer) -> Iterator[DICOMwebClient]:
    """A client of the peer's service; what goes wrong within is raised as ``pacs.*``.

    Raises ``pacs.configuration`` where there is none or a secret cannot be read, ``pacs.peer_away`` where
    nobody answers, ``pacs.peer_refuses`` for a wrong token or password, ``pacs.peer_failed`` otherwise.
    """
    from dicomweb_client.web import DICOMwebClient

    with web_session(name, peer) as (session, url):
        client = DICOMwebClient(
            url, session=session, timeout=(CONNECT_SECONDS, ANSWER_SECONDS), permissive_uid=True
        )
        client.set_http_retry_params(retry=False)  # who asks tries again, with longer waits
        yield client


@contextlib.contextmanager
def web_session(name: str, peer: Peer) -> Iterator[tuple[Session, str]]:
    """Connections to the peer's service, signed in, and its URL; raises as :func:`web_client`."""
    import requests

    access = peer.web
    if access is None:
        raise PipelineError("pacs.configuration", f"{name} has no `web` in dicom.json")
    session = _session(name, peer, access)
    try:
        yield session, access.url.rstrip("/")
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise PipelineError("pacs.peer_refuses", f"{name} answered {status}") from None
        raise PipelineError("pacs.peer_failed", f"{name} answered {status}") from None
    except requests.exceptions.SSLError as error:
        raise PipelineError("pacs.peer_refuses", f"{name}: TLS: {_tls_reason(error)}") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        if _has_connected(error):
            raise PipelineError("pacs.peer_failed", f"{name} broke off, or fell silent") from None
        raise PipelineError("pacs.peer_away", f"{name} does not answer at {access.url}") from None
    except requests.RequestException as error:
        raise PipelineError("pacs.peer_failed", f"{name} broke off: {type(error).__name__}") from None
    finally:
        session.close()


def _session(name: str, peer: Peer, access: WebAccess) -> Session:
    import requests

    class PlainWildcards(requests.Session):
        """RFC 3986 allows `*` and `?` in a query, and Orthanc's DICOMweb 1.7 decodes no `%2A`."""

        def prepare_request(self, request: Request) -> PreparedRequest:
            prepared = super().prepare_request(request)
            prepared.url = (prepared.url or "").replace("%2A", "*").replace("%3F", "?")
            return prepared

    session = PlainWildcards()
    session.trust_env = False  # no proxy and no .netrc that dicom.json does not name
    if access.tls_ca:
        session.verify = access.tls_ca
    if peer.tls_cert:
        session.cert = (peer.tls_cert, peer.tls_key) if peer.tls_key else peer.tls_cert
    if access.token_file:
        session.headers["Authorization"] = f"Bearer {_secret(name, access.token_file)}"
    elif access.user:
        session.auth = (access.user, _secret(name, access.password_file) if access.password_file else "")
    return session


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise PipelineError("pacs.configuration", f"{name}: {path} cannot be read: {error}") from error


# The words of an error of requests quote the URL, which holds the patient's name of a search.


def _has_connected(error: Exception) -> bool:
    """Whether the peer took the connection, and something went wrong after that."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    if isinstance(error, requests.ConnectTimeout):
        return False
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _tls_reason(error: Exception) -> str:
    """What TLS itself says of it."""
    found: object = error
    while found is not None and not isinstance(found, ssl.SSLError):
        args = getattr(found, "args", ())
        found = getattr(found, "reason", None) or next(
            (one for one in args if isinstance(one, Exception)), None
        )
    words = getattr(found, "verify_message", "") or getattr(found, "reason", "")
    return str(words or "the connection was refused")
