"""The web API offers exactly the commands that the table gives to it, to the roles that it names."""

from __future__ import annotations

from AutoSegPipelineLib.core.commands import TABLE
from AutoSegPipelineLib.web.accounts.roles import ROLES
from AutoSegPipelineLib.web.gate.access import TABLE as ACCESS
from AutoSegPipelineLib.web.routes.jobs import router


def test_the_routes_that_change_jobs_are_those_of_the_table() -> None:
    offered = {
        (method, route.path)
        for route in router.routes
        for method in route.methods - {"GET", "HEAD"}  # type: ignore[attr-defined]
    }
    wanted = {(row.http.method, router.prefix + row.http.path): row for row in TABLE if row.http}
    assert offered == set(wanted)
    for (method, path), row in wanted.items():
        assert row.http is not None and row.http.role in ROLES
        assert ACCESS[f"{method} {path}"].role == row.http.role
