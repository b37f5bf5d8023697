"""Shared reports as pages of their own, `/r/ID`: HTML without scripts for people and link previews, and other forms of it."""

from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from advisor.errors import StoreError
from advisor.reports.card import card
from advisor.reports.render import badge, markdown, page_policy, report_page
from advisor.reports.store import Found, store
from advisor.reports.stored import canonical
from advisor.web.links import base_of, link_of
from advisor.web.work import Busy, Work

_ENDINGS = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
}
_NOTHING_LOADS = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Badges and cards stand on other sites.
_SHOWN_ELSEWHERE = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}


def shared_routes() -> list[Route]:
    """The routes of shared reports."""
    work = Work(at_once=2, waiting=100, seconds=15)

    async def answer(request: Request) -> Response:
        name, _, ending = request.path_params["name"].partition(".")
        if ending and ending not in _ENDINGS:
            return _text(404, "There is nothing at this address.")
        link = link_of(name, base_of(request))
        try:
            return await work.run(_answer, name, ending, link)
        except Busy:
            return _text(429, "Too much is being asked at once; try again in a moment.", {"retry-after": "5"})
        except StoreError as error:
            return _text(503, f"{error}.")

    return [Route("/r/{name}", answer, methods=["GET"])]


def _answer(name: str, ending: str, link: str) -> Response:
    found = store().get(name)
    if found is None:
        return _text(404, "There is no such report. It may have been deleted by its maker.")
    if not ending:
        page = report_page(found.id, found.report, link=link, listed=found.listed)
        return Response(page, media_type="text/html", headers={"content-security-policy": page_policy(), **_cached(300)})
    media = _ENDINGS[ending]
    headers = {"content-security-policy": _NOTHING_LOADS, **_SHOWN_ELSEWHERE, **_cached(3600)}
    return Response(_as_file(found, ending, link), media_type=media, headers=headers)


def _as_file(found: Found, ending: str, link: str) -> bytes:
    if ending == "png":
        return _card(found.id) or card(found.report)
    if ending == "svg":
        return badge(found.report).encode()
    if ending == "md":
        return markdown(found.report, link=link).encode()
    return canonical(found.report).encode()


@lru_cache(maxsize=128)
def _card(id_: str) -> bytes | None:
    """The picture of a report, kept for the many who follow one link; a report never changes."""
    found = store().get(id_)
    return card(found.report) if found else None


def _cached(seconds: int) -> dict[str, str]:
    return {"cache-control": f"public, max-age={seconds}"}


def _text(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    policy = {"content-security-policy": _NOTHING_LOADS, **(headers or {})}
    return Response(sentence, status, media_type="text/plain", headers=policy)
