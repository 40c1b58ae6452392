"""Single sign-on by OpenID Connect: the code flow with PKCE, state and nonce (OpenID Connect Core 1.0).

What a provider says is believed only after its signature, issuer, audience, times and nonce were checked.
The network is asked in threads, by :mod:`requests` through Authlib; joserfc checks the token.
"""

from __future__ import annotations

import functools
import json
import logging
import secrets
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import urlsplit

from ...core.errors import PipelineError
from ..accounts.roles import ROLES
from ..config import is_loopback

log = logging.getLogger(__name__)

SECONDS = 10.0  # for each answer of the provider
_KEEP_SECONDS = 3600.0  # what a provider says of itself and its keys
_FAILED_SECONDS = 5.0  # for so long nobody else waits for a provider that did not answer
_LEEWAY = 60  # seconds by which the clocks may differ
# Signatures with the provider's public key alone: `none` and HMAC are no proof of who signed.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True)
class ProviderConfig:
    """The file that the setting ``oidc`` names. ``roles`` is a value of ``role_claim`` to a role."""

    issuer: str
    client_id: str
    client_secret: str = ""
    scopes: str = "openid profile email"
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: dict[str, str] = field(default_factory=dict)
    label: str = "Log in with your organisation"

    @classmethod
    def read(cls, path: Path) -> ProviderConfig:
        """Raises ``web.oidc`` for a file that cannot be used or that others may read."""
        try:
            if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise _unusable(path, "others may read it; chmod 600 it")
            given = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _unusable(path, str(error)) from error
        if not isinstance(given, dict):
            raise _unusable(path, "it holds no JSON object")
        unknown = set(given) - set(cls.__dataclass_fields__)
        if unknown:
            raise _unusable(path, f"it has no field {sorted(unknown)[0]!r}")
        roles = given.get("roles", {})
        texts = [value for name, value in given.items() if name != "roles"]
        if not all(isinstance(value, str) for value in texts) or not isinstance(roles, dict):
            raise _unusable(path, "every field is a text, and roles an object")
        if not given.get("issuer") or not given.get("client_id") or not roles:
            raise _unusable(path, "issuer, client_id and roles are needed")
        if not set(roles.values()) <= set(ROLES):
            raise _unusable(path, f"roles are {', '.join(ROLES)}")
        found = cls(**given)
        _check_address(found.issuer, found.issuer, path)
        return found

    def role_of(self, claims: Mapping[str, object]) -> str | None:
        """The highest role that the claims give; None for none."""
        value = claims.get(self.role_claim, [])
        given = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        found = [self.roles[one] for one in given if isinstance(one, str) and one in self.roles]
        return max(found, key=ROLES.index) if found else None


@dataclass(frozen=True)
class Begun:
    """A login on its way: what the browser must bring back, and what the provider must say."""

    state: str
    nonce: str
    verifier: str
    onward: str
    redirect: str
    at: float
    again: bool = False  # the provider was asked to ask for everything again


class Provider:
    """One for an application; its methods wait for the network, so they run in threads."""

    def __init__(self, config: ProviderConfig) -> None:
        self.config = config
        self._kept: dict[str, tuple[float, dict[str, object] | None]] = {}
        self._failed: dict[str, float] = {}

    def begin(self, redirect: str, onward: str, again: bool = False) -> tuple[str, Begun]:
        """The address of the provider's login, and what to remember. ``again``: log in again."""
        from authlib.integrations.requests_client import OAuth2Session

        begun = Begun(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(64), onward, redirect,
            time.monotonic(), again,
        )  # fmt: skip
        with self._session(OAuth2Session, redirect) as session:
            more = {"prompt": "login", "max_age": "0"} if again else {}
            address, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=begun.state, nonce=begun.nonce, code_verifier=begun.verifier, **more,
            )  # fmt: skip
        return str(address), begun

    def finish(self, begun: Begun, answer: Mapping[str, str]) -> dict[str, object]:
        """The checked claims of whoever logged in. Raises ``account.provider``."""
        if answer.get("iss", self.config.issuer) != self.config.issuer:  # RFC 9207
            raise _refused("the answer names another issuer")
        if "error" in answer:
            raise _refused(f"it said {answer['error'][:100]!r}")
        if not answer.get("code"):
            raise _refused("the answer has no code")
        token = self._exchanged(begun, answer["code"])
        claims = self._checked(str(token.get("id_token", "")), begun.nonce)
        if begun.again and time.time() - proved_at(claims) > time.monotonic() - begun.at + _LEEWAY:
            raise _refused("it was to ask for everything again, and does not say that it did (auth_time)")
        if self.config.role_claim not in claims or self.config.name_claim not in claims:
            more = self._user_info(str(token.get("access_token", "")))
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return claims

    def _exchanged(self, begun: Begun, code: str) -> dict[str, object]:
        """The tokens for a code, which the verifier shows to be ours (RFC 7636)."""
        from authlib.integrations.base_client import OAuthError
        from authlib.integrations.requests_client import OAuth2Session
        from requests import RequestException

        try:
            with self._session(OAuth2Session, begun.redirect) as session:
                found: dict[str, object] = session.fetch_token(
                    self._endpoint("token_endpoint"), code=code, code_verifier=begun.verifier,
                    grant_type="authorization_code", timeout=SECONDS,
                )  # fmt: skip
        except (OAuthError, RequestException, ValueError) as error:
            raise _refused(f"the code was not taken: {error}") from error
        return found

    # --- the token ----------------------------------------------------------------------------

    def _checked(self, text: str, nonce: str) -> dict[str, object]:
        """The claims of an ID token (OpenID Connect Core, section 3.1.3.7)."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            try:
                token = jwt.decode(text, self._keys(), algorithms=_ALGORITHMS)
            except (JoseError, ValueError):
                self._kept.pop("jwks_uri", None)  # the provider may have new keys
                token = jwt.decode(text, self._keys(), algorithms=_ALGORITHMS)
            jwt.JWTClaimsRegistry(
                leeway=_LEEWAY,
                iss={"essential": True, "value": self.config.issuer},
                sub={"essential": True},
                aud={"essential": True, "value": self.config.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise _refused(f"its token does not hold: {error}") from error
        claims: dict[str, object] = dict(token.claims)
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.config.client_id:
            raise _refused("its token is for somebody else")
        return claims

    def _keys(self) -> Any:
        from joserfc.jwk import KeySet

        found: Any = self._document("jwks_uri", self._endpoint("jwks_uri"))
        return KeySet.import_key_set(found)

    def _user_info(self, token: str) -> dict[str, object]:
        import requests

        address = self._about().get("userinfo_endpoint")
        if not address or not token:
            return {}
        _check_address(str(address), self.config.issuer)
        try:
            answer = requests.get(
                str(address), headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS,
                allow_redirects=False,
            )  # fmt: skip
            found = answer.json() if answer.status_code == 200 else {}
        except (requests.RequestException, ValueError) as error:
            raise _refused(f"it does not say who that is: {error}") from error
        return found if isinstance(found, dict) else {}

    # --- what the provider says of itself -----------------------------------------------------

    def _about(self) -> dict[str, object]:
        issuer = self.config.issuer
        found = self._document("about", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise _refused(f"it calls itself {str(found.get('issuer'))[:200]!r}")
        return found

    def _endpoint(self, name: str) -> str:
        address = str(self._about().get(name, ""))
        _check_address(address, self.config.issuer)
        return address

    def _document(self, name: str, address: str) -> dict[str, object]:
        import requests

        at, found = self._kept.get(name, (0.0, None))
        if found is None or time.monotonic() - at > _KEEP_SECONDS:
            if time.monotonic() - self._failed.get(name, -_FAILED_SECONDS) < _FAILED_SECONDS:
                raise _refused("it did not answer a moment ago")
            try:
                answer = requests.get(address, timeout=SECONDS, allow_redirects=False)
                answer.raise_for_status()
                found = answer.json()
            except (requests.RequestException, ValueError) as error:
                self._failed[name] = time.monotonic()
                raise _refused(f"it does not answer: {error}") from error
            if not isinstance(found, dict):
                raise _refused("it answers with no JSON object")
            self._kept[name] = (time.monotonic(), found)
        return dict(found)

    def _session(self, kind: Any, redirect: str) -> Any:
        method = "client_secret_basic" if self.config.client_secret else "none"
        return kind(
            self.config.client_id, self.config.client_secret or None, token_endpoint_auth_method=method,
            scope=self.config.scopes, redirect_uri=redirect, code_challenge_method="S256",
        )  # fmt: skip


def proved_at(claims: Mapping[str, object]) -> float:
    """When somebody last showed the provider who it is, seconds since 1970; 0 where it does not say."""
    found = claims.get("auth_time")
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return min(float(found), time.time()) if number else 0.0  # type: ignore[arg-type]


@functools.lru_cache(maxsize=4)
def provider_of(path: str) -> Provider | None:
    """The provider of the file ``path``; None where none is named. Raises ``web.oidc``."""
    return Provider(ProviderConfig.read(Path(path))) if path else None


def _check_address(address: str, issuer: str, path: Path | None = None) -> None:
    """By TLS, but for a provider on this machine."""
    parts = urlsplit(address)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not (parts.scheme == "https" and parts.hostname) and not local:
        text = f"{address[:200]!r} is no https address"
        raise _unusable(path, text) if path else _refused(text)


def _unusable(path: Path, why: str) -> PipelineError:
    return PipelineError("web.oidc", f"{path} cannot be used for single sign-on: {why}")


def _refused(why: str) -> PipelineError:
    log.warning("single sign-on failed: %s", why)
    return PipelineError("account.provider", "the provider's login could not be used")
