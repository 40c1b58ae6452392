"""Bytes of one connection, read into one buffer: what an association needs does not grow with its objects."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import time
from typing import Callable

BUFFER = 1 << 18
_SMALL = 1 << 12  # a header: what lies behind it is read with it
_HEADER = struct.Struct(">BxL")


class Disconnected(Exception):
    """The peer is gone, or was silent for too long; the words say which."""


class Wire:
    """Reads and writes of a connected socket; each read waits for at most ``seconds``.

    Without TLS the system keeps the time and fills the buffer: a timeout of Python's own asks it twice for
    every piece, and wakes this thread for each packet.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._memory = memoryview(bytearray(BUFFER))
        self._begin = self._end = 0
        self._until: float | None = None
        self._seconds = seconds
        self._by_system = sys.platform != "win32" and not isinstance(connection, ssl.SSLSocket)
        if self._by_system:
            connection.settimeout(None)
        self._wait_for(seconds)

    def limit(self, seconds: float | None) -> None:
        """All reads from now on end within so many seconds together; None takes the limit away."""
        self._until = None if seconds is None else time.monotonic() + seconds
        self._wait_for(self._seconds)

    def _wait_for(self, seconds: float) -> None:
        if not self._by_system:
            self._connection.settimeout(seconds)
            return
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))  # struct timeval
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._connection.setsockopt(socket.SOL_SOCKET, option, value)

    def header(self) -> tuple[int, int]:
        """Type and length of the next PDU (PS3.8, 9.3)."""
        kind, length = _HEADER.unpack(self.exactly(_HEADER.size))
        return int(kind), int(length)

    def exactly(self, count: int) -> bytes:
        """The next ``count`` bytes. Raises :class:`Disconnected`, here and below."""
        if self._end - self._begin >= count:
            found = bytes(self._memory[self._begin : self._begin + count])
            self._begin += count
            return found
        pieces = bytearray()
        self.stream(count, pieces.extend)
        return bytes(pieces)

    def stream(self, count: int, take: Callable[[memoryview], object]) -> None:
        """Give the next ``count`` bytes to ``take`` as they come."""
        while count:
            if self._begin == self._end:
                self._fill(count)
            piece = self._memory[self._begin : min(self._end, self._begin + count)]
            self._begin += len(piece)
            count -= len(piece)
            take(piece)

    def send(self, data: bytes) -> None:
        """All of ``data``."""
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise Disconnected(str(error)) from error

    def _fill(self, wanted: int) -> None:
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise Disconnected("was too slow")
            self._wait_for(min(left, self._seconds))
        try:
            if self._by_system and wanted > _SMALL:
                count = self._connection.recv_into(self._memory, min(wanted, BUFFER), socket.MSG_WAITALL)
            else:
                count = self._connection.recv_into(self._memory)
        except (socket.timeout, BlockingIOError) as error:
            raise Disconnected(f"was silent for {self._seconds:.0f} seconds") from error
        except OSError as error:
            raise Disconnected(str(error)) from error
        if not count:
            raise Disconnected("closed the connection")
        self._begin, self._end = 0, count
