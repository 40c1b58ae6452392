"""Answers that a thread makes while they are sent, and what becomes of them when the client goes."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Generator

import pytest
from AutoSegPipelineLib.web.http.streams import FromGenerator

TURNS = 100  # of the event loop: more than it takes until nobody waits for the piece any more


class Source:
    """Yields one piece; ``go_on`` is what its second one waits for."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.closed_in: list[int] = []

    def pieces(self) -> Generator[bytes, None, None]:
        try:
            yield b"first"
            self.begun.set()
            assert self.go_on.wait(60)
            yield b"second"
        finally:
            self.closed_in.append(threading.get_ident())


class Client:
    """Takes an answer; ``leaves`` is set when it goes away."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.received: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.received.append(message.get("body", b""))


async def taken(source: Source, client: Client, method: str = "GET") -> None:
    answer = FromGenerator(source.pieces(), {}, "text/plain")
    await answer({"type": "http", "method": method}, client.receive, client.send)


def test_every_piece_is_sent_and_the_source_closed() -> None:
    source = Source()
    source.go_on.set()

    async def all_of_it() -> list[bytes]:
        client = Client()
        await taken(source, client)
        return client.received

    assert b"".join(asyncio.run(all_of_it())) == b"firstsecond"
    assert len(source.closed_in) == 1


def test_a_client_that_leaves_while_a_piece_is_computed_lets_it_end_and_closes_its_source() -> None:
    source = Source()

    async def leave() -> tuple[list[bytes], list[int]]:
        client = Client()
        answer = asyncio.create_task(taken(source, client))
        await asyncio.get_running_loop().run_in_executor(None, source.begun.wait, 60)
        client.leaves.set()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        early = list(source.closed_in)
        source.go_on.set()
        await asyncio.wait_for(answer, 60)
        return client.received, early

    try:
        received, early = asyncio.run(leave())
    finally:
        source.go_on.set()
    assert b"second" not in received and b"first" in received
    assert early == []
    assert len(source.closed_in) == 1 and threading.get_ident() not in source.closed_in


def test_a_client_that_leaves_between_two_pieces_closes_the_source_in_a_thread() -> None:
    source = Source()

    class Leaving(Client):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if message.get("body") == b"first":
                self.leaves.set()
                for _ in range(TURNS):
                    await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(_leaving(source, Leaving), 60))
    assert not source.begun.is_set(), "the second piece was begun for nobody"
    assert len(source.closed_in) == 1 and threading.get_ident() not in source.closed_in


async def _leaving(source: Source, kind: type[Client]) -> None:
    await taken(source, kind())


def test_what_goes_wrong_in_the_source_breaks_the_answer_off() -> None:
    def broken() -> Generator[bytes, None, None]:
        yield b"first"
        raise OSError("gone")

    async def answer() -> None:
        client = Client()
        await FromGenerator(broken(), {}, "text/plain")({"method": "GET"}, client.receive, client.send)

    with pytest.raises(OSError, match="gone"):
        asyncio.run(answer())
