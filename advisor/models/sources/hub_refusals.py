"""What the hub's status codes mean for a person: `refusal`."""

import httpx2

from advisor.errors import HubAccessError, HubAnswerError, HubBusyError, HubError, HubNotFoundError

_NOT_THERE = {
    "RepoNotFound": "the hub has no repository for {what}, or it is private; check the name",
    "RevisionNotFound": "the hub has no such branch or commit for {what}; leave it out, or check it",
    "EntryNotFound": "the hub has no such file: {what}; check its name on the repository's page",
}
"""By X-Error-Code, as the hub sends it (huggingface_hub.utils.hf_raise_for_status)."""


def refusal(response: httpx2.Response, what: str, endpoint: httpx2.URL, *, with_token: bool) -> HubError | None:
    """The error that an answer stands for; None for a good one. `with_token`: the person's token was sent."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if status in (200, 206, 304):
        return _wrong_kind(response, what)
    if status == 429:
        return _busy(response)
    if status in (404, 410) and code != "DisabledRepo":
        return HubNotFoundError(_NOT_THERE.get(code, "the hub has no {what}; check the name").format(what=what))
    if status in (401, 403) or code == "DisabledRepo":
        return _no_access(status, code, what, endpoint, with_token=with_token)
    if status >= 500:
        return HubAnswerError(f"the hub at {endpoint.host} has a fault of its own (HTTP {status}); try again later")
    said = (
        "says that {what} is shorter than it said before" if status == 416 else "answered HTTP {status} when asked for {what}"
    )
    return HubAnswerError(f"the hub {said.format(status=status, what=what)}; ask again, or check HF_ENDPOINT")


def _wrong_kind(response: httpx2.Response, what: str) -> HubError | None:
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        return HubAnswerError(f"the hub sent {what} packed although it was asked not to; check HF_ENDPOINT")
    if "text/html" in response.headers.get("Content-Type", "").lower():
        return HubAnswerError(
            f"a web page came in the place of {what}; perhaps the network has a login page: open any address in a browser"
        )
    return None


def _no_access(status: int, code: str, what: str, endpoint: httpx2.URL, *, with_token: bool) -> HubError:
    home = str(endpoint).rstrip("/")
    if code == "DisabledRepo":
        return HubAccessError(f"the hub has closed the repository of {what}; choose another")
    if code == "GatedRepo":
        login = "" if with_token else ", then log in with `hf auth login` or set HF_TOKEN"
        page = "/".join([home, *what.split("/")[:2]])
        return HubAccessError(f"the repository of {what} is gated: accept its terms at {page}{login}", gated=True)
    if code == "RepoNotFound" or (status == 401 and not with_token):
        return HubAccessError(
            f"the hub shows {what} to nobody without a login: it is private or gated, or there is no such repository; "
            "check the name, or log in with `hf auth login` or set HF_TOKEN"
            if not with_token
            else f"the hub does not show {what} to your login: it is private, or there is no such repository; check the name"
        )
    if status == 401:
        return HubAccessError(f"the hub does not know your token; make a new one at {home}/settings/tokens and set HF_TOKEN")
    return HubAccessError(f"the hub does not let you read {what} (HTTP 403); ask its owner, or use a token that may read it")


def _busy(response: httpx2.Response) -> HubBusyError:
    said = response.headers.get("Retry-After", "").strip()
    return busy(min(int(said), 86_400) if said.isdecimal() and said.isascii() else None)


def busy(seconds: int | None) -> HubBusyError:
    """The error of a hub that asks to wait so long; None where it does not say."""
    wait = f"try again in {_spoken(seconds)}" if seconds else "try again in some minutes"
    return HubBusyError(f"the hub has had too many requests from here (HTTP 429); {wait}", retry_after_s=seconds)


def _spoken(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
