"""What timeouts.py, large_bodies.py and server.py take of uvicorn beyond what it documents."""

from __future__ import annotations

import ast
import asyncio
import contextlib
from typing import Any, Awaitable, Callable, Iterator

import h11
import pytest
import support.skeleton as support
import uvicorn
from support.inner_parts import CYCLE, EVERY, FLOW, PROTOCOL, WEB, Part, complaint
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEAD = b"PUT /scan HTTP/1.1\r\nHost: here\r\nX-Mixed: Case\r\nContent-Length: 100000\r\n\r\n"
OWNERS = {"self": PROTOCOL, "super": PROTOCOL, "cycle": CYCLE, "_cycle": CYCLE, "flow": FLOW}


class Transport(asyncio.Transport):
    """A connection to nobody."""

    def pause_reading(self) -> None:
        """There is nothing to pause."""

    def resume_reading(self) -> None:
        """Nor to go on with."""

    def is_closing(self) -> bool:
        return False


def after(data: bytes, check: Callable[[H11Protocol, list[Any]], Awaitable[None]]) -> None:
    """``check`` a protocol that has got ``data``, and the list of the bodies that its application has got."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        await asyncio.Event().wait()

    async def main() -> None:
        config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
        config.load()
        protocol = H11Protocol(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(Transport())
        protocol.data_received(data)
        await check(protocol, seen)
        for task in protocol.tasks:
            task.cancel()

    asyncio.run(main())


def test_each_part_is_there() -> None:
    async def check(protocol: H11Protocol, _seen: list[Any]) -> None:
        cycle = protocol.cycle
        holders = [(PROTOCOL, protocol), (CYCLE, cycle), (FLOW, protocol.flow), (WEB, None)]
        wrong = [complaint(part, holder) for table, holder in holders for part in table]
        assert [text for text in wrong if text] == []

    after(HEAD + b"first", check)


def test_a_head_makes_a_cycle_whose_application_has_not_asked_yet() -> None:
    """LargeBodyH11._begin takes the first bytes away and puts a ``receive`` of its own in place."""

    async def check(protocol: H11Protocol, seen: list[Any]) -> None:
        cycle = protocol.cycle
        assert cycle is not None and seen == []
        assert bytes(cycle.body) == b"first" and cycle.more_body and isinstance(cycle.body, bytearray)
        assert protocol.conn.their_state is h11.SEND_BODY and not protocol.conn.trailing_data[0]
        assert (
            dict(protocol.headers)[b"content-length"] == b"100000"
            and (b"x-mixed", b"Case") in protocol.headers
        )
        assert isinstance(cycle.message_event, asyncio.Event) and not cycle.response_complete
        assert cycle.flow is protocol.flow and cycle.conn is protocol.conn

        async def own() -> Any:
            return {"type": "http.request", "body": b"ours", "more_body": True}

        cycle.receive = own  # type: ignore[method-assign]
        await asyncio.sleep(0.01)
        assert seen == [b"ours"], "uvicorn does not take the cycle's receive when the application starts"

    after(HEAD + b"first", check)


def test_a_lost_connection_wakes_the_cycle() -> None:
    async def check(protocol: H11Protocol, _seen: list[Any]) -> None:
        protocol.cycle.message_event.clear()
        protocol.connection_lost(OSError("gone"))
        assert protocol.cycle.disconnected and protocol.cycle.message_event.is_set()

    after(HEAD, check)


def test_the_end_of_an_answer_is_seen_by_the_protocols_own_method() -> None:
    """TimedH11 and LargeBodyH11 override it; a cycle that called anything else would keep the blocks."""

    async def check(protocol: H11Protocol, _seen: list[Any]) -> None:
        assert protocol.cycle.on_response == protocol.on_response_complete

    after(HEAD, check)


def test_serving_goes_through_capture_signals() -> None:
    class Reached(Exception):
        pass

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            raise Reached
            yield

    server = Server(uvicorn.Config(lambda: None, port=0, log_config=None))
    server.should_exit = True  # one that goes another way ends at once
    with pytest.raises(Reached):
        asyncio.run(server.serve())


def holder_of(node: ast.AST) -> str:
    """``cycle`` of ``self.cycle.body``, ``self`` of ``self.cycle``, ``super`` of ``super().f``."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("file", ["web/http/timeouts.py", "web/http/large_bodies.py"])
def test_every_attribute_of_uvicorns_objects_is_on_the_list(file: str) -> None:
    tree = ast.parse((support.LIBRARY / file).read_text(encoding="utf-8"))
    found = set()
    for class_ in (
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("H11")
    ):
        found |= {("self", one.attr) for one in ast.walk(class_) if isinstance(one, ast.Attribute)
                  and holder_of(one.value) in ("self", "super") and not one.attr.startswith("_")}  # fmt: skip
    found |= {
        (holder_of(one.value), one.attr)
        for one in ast.walk(tree)
        if isinstance(one, ast.Attribute) and holder_of(one.value) in ("cycle", "_cycle", "flow")
    }
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} - set(dir(H11Protocol))
    new = [
        f"{holder}.{name}"
        for holder, name in sorted(found)
        if name not in own and name not in {part.name for part in OWNERS[holder] if part.file == file}
    ]
    assert new == [], f"{file} uses more of uvicorn: add it to support/inner_parts.py: {new}"


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        ("uvicorn:Server", "made_up", "is gone"),
        ("made_up_package", "name", "is gone"),
        ("uvicorn.protocols.http.h11_impl:H11Protocol", "data_received", "takes (data), we give (other)"),
    ],
)
def test_what_is_missing_is_named_with_the_file_that_relies_on_it(owner: str, name: str, words: str) -> None:
    text = complaint(Part("web/room.py", owner, name, ("other",)))
    assert words in text and "AutoSegPipelineLib/web/room.py relies on it" in text and name in text


def test_each_file_on_the_list_is_there() -> None:
    assert [part.file for part in EVERY if not (support.LIBRARY / part.file).is_file()] == []
