"""The sidebar's requests: list, describe, rename and delete saved people, and their portraits.

The host's own checks stand before these routes: without --enable-cors-header it refuses requests from other sites.
What changes something must be sent as JSON, which other sites can only send with the host's permission.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import FileTakenError, MissingFileError, StableIdentityError
from . import saved_people
from .prompt_server import prompt_server

EVENT = "stableidentity.people"  # sent to all browsers after a change
PREFIX = "/stableidentity/people"
MAX_BYTES = 1 << 20  # of a request
log = get_logger(__name__)
Json = dict[str, Any]


def announce() -> None:
    """Tell all browsers that the saved people have changed."""
    server = prompt_server()
    if server is not None:
        server.send_sync(EVENT, {})


def add_routes() -> None:
    """Add the routes to the host's server; without one, as in tools that only list nodes, nothing happens."""
    server = prompt_server()
    if server is None:
        return
    routes = server.routes

    @routes.get(PREFIX)
    async def _list(_request: web.Request) -> web.Response:
        return await _answer(saved_people.listed)

    @routes.get(f"{PREFIX}/details")
    async def _details(request: web.Request) -> web.Response:
        return await _answer(lambda: saved_people.details(*_asked(request.query)))

    @routes.get(f"{PREFIX}/portrait")
    async def _portrait(request: web.Request) -> web.Response:
        return await _answer(lambda: _picture(*saved_people.portrait(*_asked(request.query))))

    @routes.post(f"{PREFIX}/rename")
    async def _rename(request: web.Request) -> web.Response:
        body = await _body(request)
        return await _answer(lambda: _renamed(_parsed(body)))

    @routes.post(f"{PREFIX}/delete")
    async def _delete(request: web.Request) -> web.Response:
        body = await _body(request)
        return await _answer(lambda: _deleted(_parsed(body)))


def _renamed(sent: Json) -> Json:
    answer = saved_people.rename(*_asked(sent), _text(sent, "name"))
    announce()
    return answer


def _deleted(sent: Json) -> Json:
    try:
        return saved_people.delete(*_asked(sent), _text(sent, "state"), _texts(sent, "trainings"))
    finally:
        announce()  # a failure may have come half-way


async def _answer(work: Callable[[], Json | web.Response]) -> web.Response:
    """Run in a thread, so that reading folders does not hold up the server; errors become {"error": sentence}."""
    try:
        found = await asyncio.to_thread(work)
    except StableIdentityError as error:
        kinds = {MissingFileError: 404, FileTakenError: 409}
        status = next((status for kind, status in kinds.items() if isinstance(error, kind)), 400)
        return web.json_response({"error": str(error)}, status=status)
    except OSError as error:
        log.error("StableIdentity: the sidebar's request failed", exc_info=True)
        return web.json_response({"error": f"The folder cannot be read or changed: {error.strerror}."}, status=500)
    return found if isinstance(found, web.Response) else web.json_response(found)


def _picture(content: bytes, kind: str) -> web.Response:
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=content, content_type=kind, headers=headers)


async def _body(request: web.Request) -> bytes | None:
    """What was sent, or None if it is not JSON, or too long.

    Raises:
        web.HTTPForbidden: a page of another site sent it; older hosts let such requests through.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise web.HTTPForbidden
    fits = request.content_type == "application/json" and (request.content_length or MAX_BYTES + 1) <= MAX_BYTES
    return await request.read() if fits else None


def _parsed(body: bytes | None) -> Json:
    """The JSON object that was sent."""
    try:
        found = json.loads(body or b"")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise StableIdentityError(
            f"The request has to be a JSON object of at most {MAX_BYTES:,} bytes, sent as application/json."
        )
    return found


def _asked(values: Any) -> tuple[int, str]:
    """Which file is meant: the number of its embeddings folder, and its path below it."""
    folder = str(values.get("folder", ""))
    if not (folder.isascii() and folder.isdigit() and len(folder) < 9):
        raise StableIdentityError("The request needs folder, the number of an embeddings folder.")
    return int(folder), _text(values, "file")


def _text(values: Any, name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise StableIdentityError(f"The request needs {name}, a text.")
    return value


def _texts(values: Any, name: str) -> list[str]:
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise StableIdentityError(f"The request needs {name}, a list of texts.")
    return value
