"""The HTTP API, `/api/v1/`: the same questions and answers as the commands and the pages, with an OpenAPI document.

Errors are JSON with one sentence: 400 not JSON, 404 no such thing, 413 too large, 422 the question is wrong, 429 too many or
too much at once. Work is done in threads, a few at a time.
"""

from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator, Discriminator, Tag
from starlette.exceptions import HTTPException

from advisor import __version__
from advisor.answers import (
    Complaint,
    EstimateAnswer,
    FitAnswer,
    Health,
    MachineLine,
    MachineList,
    ModelLine,
    ModelList,
    RecommendAnswer,
    ReportLine,
    ReportList,
    Shared,
)
from advisor.errors import EngineFailedError, HeadroomError, MissingPartError, QuestionError, StoreError
from advisor.estimate import estimate
from advisor.fit import fit_machine
from advisor.machines.here import HERE
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.models.library import catalogue
from advisor.question import Asked, FitQuestion, Question, RecommendQuestion
from advisor.recommend import recommend
from advisor.reports import exporting
from advisor.reports.making import report_of_measurement
from advisor.reports.report import HardwareReport
from advisor.reports.store import store
from advisor.reports.stored import upgraded
from advisor.settings import settings
from advisor.verify.measurement import Measurement
from advisor.web.links import base_of, link_of
from advisor.web.metrics import CONTENT_TYPE, METRICS
from advisor.web.work import Busy, Work

PREFIX = "/api/v1"
_QUESTIONS: dict[str, type[Asked]] = {"/estimate": Question, "/fit": FitQuestion, "/recommend": RecommendQuestion}
_MANY = 100_000

Id = Annotated[str, Path(max_length=80)]
Words = Annotated[str, Query(max_length=80, description="Only those with all these words in name or id.")]
Given = Annotated[
    Annotated[HardwareReport, BeforeValidator(upgraded), Tag("report")] | Annotated[Measurement, Tag("run")],
    Discriminator(lambda given: "run" if isinstance(given, dict) and "schema" in given else "report"),
]
"""A report, or what `advisor verify --json` printed."""

_WRONG: dict[int | str, dict[str, Any]] = {
    400: {"model": Complaint, "description": "Not JSON."},
    403: {"model": Complaint, "description": "Not from here, or not on a hosted site."},
    404: {"model": Complaint, "description": "There is no such thing."},
    408: {"model": Complaint, "description": "The body was not sent in time."},
    413: {"model": Complaint, "description": "Too large."},
    415: {"model": Complaint, "description": "Compressed, or not JSON."},
    422: {"model": Complaint, "description": "The question is wrong."},
    424: {"model": Complaint, "description": "The engine gave no answer."},
    429: {"model": Complaint, "description": "Too many requests."},
    503: {"model": Complaint, "description": "The database of reports cannot be reached."},
}


def make_api() -> FastAPI:
    """The API, to be mounted at `PREFIX`."""
    api = FastAPI(
        title="Headroom",
        version=__version__,
        description="Which language models a machine can run, with which file and settings, and how fast.",
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        responses=_WRONG,
    )
    # Answers take the interpreter's one lock, and so time from the pages: two at once.
    thinking = Work(at_once=2, waiting=32, seconds=30)
    reading = Work(at_once=8, waiting=200, seconds=15)
    _add_errors(api)
    _add_questions(api, thinking)
    _add_lists(api, reading)
    _add_reports(api, reading)
    _add_operations(api, reading)
    return api


def _add_questions(api: FastAPI, thinking: Work) -> None:
    @api.post("/estimate", tags=["questions"], summary="What a model needs on a machine")
    async def _estimate(question: Question) -> EstimateAnswer:
        answer = await thinking.run(lambda: estimate(question).to_json())
        return EstimateAnswer.model_validate(answer)

    @api.post("/fit", tags=["questions"], summary="What a machine can run, best first")
    async def _fit(question: FitQuestion) -> FitAnswer:
        return FitAnswer.model_validate(await thinking.run(lambda: fit_machine(question).to_json()))

    @api.post("/recommend", tags=["questions"], summary="What to run, why, and by which command")
    async def _recommend(question: RecommendQuestion) -> RecommendAnswer:
        return RecommendAnswer.model_validate(await thinking.run(lambda: recommend(question).to_json()))


def _add_lists(api: FastAPI, reading: Work) -> None:
    @api.get("/detect", tags=["machines"], summary="The machine that Headroom runs on")
    async def _detect() -> MachineProfile:
        if settings().hosted:
            raise HTTPException(403, "this site does not show its own machine; run `advisor detect --json` on yours")
        return await reading.run(lambda: HERE.whole().profile)

    @api.get("/machines", tags=["machines"], summary="Machines that can be asked about")
    async def _machines(q: Words = "") -> MachineList:
        def found() -> MachineList:
            known = library()
            ids = [id_ for id_ in known.ids if _has_words(q, id_, known.names[id_])]
            return MachineList(machines=[MachineLine.of(known.get(id_)) for id_ in ids])

        return await reading.run(found)

    @api.get("/machines/{id_}", tags=["machines"], summary="One machine, with the source of each value")
    async def _machine(id_: Id) -> MachineProfile:
        if id_ not in library().names:
            raise HTTPException(404, f'there is no machine "{id_}"; GET {PREFIX}/machines lists them')
        return await reading.run(library().get, id_)

    @api.get("/models", tags=["models"], summary="Models of the catalogue")
    async def _models(q: Words = "") -> ModelList:
        def found() -> ModelList:
            return ModelList(
                models=[ModelLine.of(model) for model in catalogue().models if _has_words(q, model.id, model.name)]
            )

        return await reading.run(found)

    @api.get("/models/{id_}", tags=["models"], summary="One model")
    async def _model(id_: Id) -> ModelLine:
        model = catalogue().by_id.get(id_)
        if model is None:
            raise HTTPException(404, f'there is no model "{id_}"; GET {PREFIX}/models lists them')
        return ModelLine.of(model)


def _has_words(asked: str, *texts: str) -> bool:
    whole = " ".join(texts).lower()
    return all(word in whole for word in asked.lower().split())


def _add_reports(api: FastAPI, reading: Work) -> None:
    @api.post("/reports", status_code=201, tags=["reports"], summary="Share a report, or what `advisor verify --json` printed")
    async def _share(
        request: Request,
        given: Annotated[Given, Body()],
        listed: Annotated[bool, Query(description="Put it on the community's list.")] = False,  # noqa: FBT002 - a query parameter
    ) -> Shared:
        def keep() -> Shared:
            report = report_of_measurement(given) if isinstance(given, Measurement) else given
            kept = store().add(report, listed=listed, address=request.client.host if request.client else None)
            return Shared(id=kept.id, link=link_of(kept.id, base_of(request)), delete_token=kept.token)

        return await reading.run(keep)

    @api.get("/reports", tags=["reports"], summary="Reports on the community's list, newest first")
    async def _list(
        limit: Annotated[int, Query(ge=1, le=200)] = 50, offset: Annotated[int, Query(ge=0, le=_MANY)] = 0
    ) -> ReportList:
        def found() -> ReportList:
            rows = store().summaries(listed_only=True, limit=limit, offset=offset)
            return ReportList(total=store().count(listed_only=True), reports=[ReportLine.of(row) for row in rows])

        return await reading.run(found)

    for ending, media in exporting.MEDIA.items():
        _add_export(api, reading, ending, media)

    @api.get("/reports/{id_}", tags=["reports"], summary="One report")
    async def _report(id_: Id) -> HardwareReport:
        found = await reading.run(lambda: store().get(id_))
        if found is None:
            raise HTTPException(404, "there is no report with this id")
        return found.report

    @api.delete("/reports/{id_}", status_code=204, tags=["reports"], summary="Delete a report by its maker's token")
    async def _delete(id_: Id, x_delete_token: Annotated[str, Header(max_length=80)]) -> None:
        if not await reading.run(lambda: store().delete(id_, x_delete_token)):
            raise HTTPException(404, "there is no report with this id and token")


def _add_export(api: FastAPI, reading: Work, ending: str, media: str) -> None:
    said: dict[int | str, dict[str, Any]] = {
        200: {"content": {media: {"schema": {"type": "string", "format": "binary"}}}, "description": "The whole list."}
    }

    @api.get(
        f"/reports.{ending}",
        response_class=Response,
        responses={**_WRONG, **said},
        tags=["reports"],
        summary=f"The community's list as {ending}",
    )
    async def _export() -> Response:
        whole = await reading.run(lambda: exporting.exported(store().summaries(listed_only=True), ending))
        named = {"content-disposition": f'attachment; filename="headroom-reports.{ending}"'}
        return Response(whole, media_type=media, headers=named)


def _add_operations(api: FastAPI, reading: Work) -> None:
    @api.get("/health", tags=["operations"], summary="Whether this process can answer", responses={503: {"model": Health}})
    async def _health(response: Response) -> Health:
        ready = await reading.run(lambda: store().answers())
        response.status_code = 200 if ready else 503
        return Health(status="ok" if ready else "no database", version=__version__)

    @api.get("/metrics", include_in_schema=False)
    async def _metrics(request: Request) -> Response:
        from advisor.web.links import is_operator

        if not is_operator(request.client.host if request.client else ""):
            raise HTTPException(404, "there is nothing here")
        return Response(METRICS.text(), media_type=CONTENT_TYPE)


# --- errors -----------------------------------------------------------------------------------------


def _add_errors(api: FastAPI) -> None:
    api.add_exception_handler(RequestValidationError, _not_understood)
    api.add_exception_handler(HTTPException, _no_such_thing)
    api.add_exception_handler(HeadroomError, _no_answer)
    api.add_exception_handler(Busy, _busy)


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _said(400, "the body is not JSON")
    if isinstance(error.body, bytes):
        return _said(415, "send JSON, with the header Content-Type: application/json")
    kind = _QUESTIONS.get(request.url.path.removeprefix(PREFIX))
    if kind is not None and isinstance(error.body, dict):
        try:
            kind.parse(error.body)
        except QuestionError as wrong:
            return _said(422, f"{wrong}", wrong.field)
    place = [str(part) for part in first["loc"][1:] if part not in ("report", "run")]
    message = first["msg"][:1].lower() + first["msg"][1:160]
    return _said(422, f"{'.'.join(place)[:80] or 'the body'}: {message}", place[0][:80] if place else None)


async def _no_such_thing(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing at this address", 405: "this address is not asked that way"}
    plain = error.detail in ("Not Found", "Method Not Allowed")
    return _said(error.status_code, words[error.status_code] if plain else str(error.detail), headers=error.headers)


async def _no_answer(_request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 422)
    return _said(status, f"{error}", getattr(error, "field", None))


_STATUS: tuple[tuple[type[HeadroomError], int], ...] = (
    (StoreError, 503),
    (EngineFailedError, 424),
    (MissingPartError, 404),
)


async def _busy(_request: Request, _error: Exception) -> Response:
    return _said(429, "too much is being asked at once; try again in a moment", headers={"retry-after": "5"})


def _said(status: int, sentence: str, field: str | None = None, headers: Any = None) -> Response:
    clean = sentence.encode("utf-8", "replace").decode()
    return JSONResponse(Complaint(error=clean, field=field).model_dump(), status, headers=headers)
