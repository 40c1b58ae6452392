"""Files out of one request: a form with several, or the bare bytes of one."""

from __future__ import annotations

from typing import Iterable

from starlette.requests import Request

from ...intake.received.request import UploadRequest
from .body import chunks, length_of
from .digests import wanted_of
from .incoming_request import no_file
from .multipart import Field, FileBegins, FileBytes, FileEnds, parts
from .service import Outcome, Uploads

# What a form's boundaries, headers and fields may take beside its files.
OVERHEAD = 1 << 20


def wish_of(uploads: Uploads, query: Iterable[tuple[str, str]]) -> UploadRequest:
    """What the query says, checked."""
    wish = UploadRequest()
    wish.add(query, "query")
    uploads.check(wish)
    return wish


async def from_form(uploads: Uploads, request: Request, owner: str) -> Outcome:
    """Every file of a form, whatever its field is called; other fields are options.

    Options in the query or in front of the files are checked before the bytes are taken.
    """
    wish = wish_of(uploads, request.query_params.multi_items())
    length = length_of(request)
    announced = None if length is None else max(0, length - OVERHEAD)
    async with uploads.drop(owner, announced) as drop:
        name, begun = "", False
        async for event in parts(request.headers.get("content-type", ""), chunks(request)):
            if isinstance(event, FileBytes):
                if not begun:
                    begun = True
                    await drop.begin(name)
                await drop.write(event.data)
            elif isinstance(event, FileBegins):
                name, begun = event.name, False
            elif isinstance(event, FileEnds):
                if not begun and name:  # a file without a byte; a form's empty field has no name
                    begun = True
                    await drop.begin(name)
                if begun:
                    await drop.end()
            elif isinstance(event, Field):
                wish.add([(event.name, event.value)], "form")
                uploads.check(wish)
        if not drop.files:
            raise no_file()
        return await uploads.finish(drop, wish)


async def from_body(uploads: Uploads, request: Request, owner: str, name: str) -> Outcome:
    """The bytes of one file; checksums in the headers are verified."""
    wish = wish_of(uploads, request.query_params.multi_items())
    wanted = wanted_of(request.headers)
    async with uploads.drop(owner, length_of(request)) as drop:
        await drop.begin(name)
        drop.expect(wanted)
        async for data in chunks(request):
            await drop.write(data)
        await drop.end(wanted)
        return await uploads.finish(drop, wish)
