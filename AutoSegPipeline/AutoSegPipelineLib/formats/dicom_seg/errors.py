"""What pydicom raises for a damaged data set: it has no base class of its own for that."""

from __future__ import annotations

import struct
import zlib

# LookupError stands for keys, indices and character sets, RuntimeError for recursion and what pydicom
# says that it cannot do, ArithmeticError for numbers that overflow.
BROKEN = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, EOFError, struct.error,
)  # fmt: skip


def damaged() -> tuple[type[Exception], ...]:
    """All that reading a damaged object may raise, OSError without an errno among it."""
    import pydicom

    wrong_length = getattr(pydicom.errors, "BytesLengthException", ValueError)
    return (*BROKEN, OSError, zlib.error, pydicom.errors.InvalidDicomError, wrong_length)
