"""What every server of ours does with a port before it listens, on each system."""

from __future__ import annotations

import errno
import socket
import sys


def claim(one: socket.socket) -> None:
    """Before it is bound: a port that was released a moment ago may be used again, one in use never."""
    if sys.platform == "win32":
        # There SO_REUSEADDR would let two programs share the port.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def is_busy(error: OSError) -> bool:
    """Whether binding failed because another program has the port."""
    # 10013: Windows, when another program holds the port exclusively.
    return error.errno == errno.EADDRINUSE or getattr(error, "winerror", 0) in (10013, 10048)
