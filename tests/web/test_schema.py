"""Schemathesis asks whatever the OpenAPI document allows, and things that it does not: no 5xx, no answer outside of it."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from advisor import fit
from advisor.models.library import Catalogue, catalogue
from advisor.reports.stored import canonical
from tests.reports.examples import measured, run_document
from tests.web.site import HOST, client, site

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


DOCUMENT = schemathesis.openapi.from_asgi("/api/v1/openapi.json", site(), headers={"Host": HOST})
OPERATIONS = {operation.ok().label: operation.ok() for operation in DOCUMENT.get_all_operations()}
KNOWN = {
    "POST /estimate": {
        "model": "qwen3-0.6b",
        "machine": "rtx-4090",
        "quant": None,
        "mmproj": None,
        "draft": None,
        "build": None,
    },
    "POST /recommend": {"model": "qwen3-0.6b", "machine": "rtx-4090", "quant": None, "gpus": None, "bandwidth_gb_s": None},
    "POST /fit": {"machine": "m4-max-40", "min_tps": None},
}
MODES = {"right": schemathesis.GenerationMode.POSITIVE, "wrong": schemathesis.GenerationMode.NEGATIVE}


@pytest.fixture(autouse=True)
def small_catalogue(monkeypatch):
    """Ranking looks at three models; everything else still knows all of them."""
    few = Catalogue(tuple(catalogue().find(name) for name in ("qwen3-0.6b", "llama-3.1-8b", "gpt-oss-20b")))
    monkeypatch.setattr(fit, "catalogue", lambda: few)


def test_every_route_is_in_the_document():
    assert {
        "POST /estimate", "POST /fit", "POST /recommend", "GET /detect",
        "GET /machines", "GET /models", "POST /reports", "GET /reports",
        "GET /reports/{id_}", "DELETE /reports/{id_}", "GET /reports.csv", "GET /reports.parquet", "GET /health",
    } <= set(OPERATIONS)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_of_the_document(label, mode):
    operation, statuses = OPERATIONS[label], set()

    @given(case=operation.as_strategy(generation_mode=MODES[mode]))
    @settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case):
        if mode == "right" and label in KNOWN:
            # Text that names something is never found by chance: settings are tried on what there is.
            case.body |= KNOWN[label]
        statuses.add(case.call_and_validate(checks=CHECKS, headers={"Host": HOST}).status_code)

    try:
        ask()
    except Unsatisfiable:
        assert mode == "wrong"  # an operation without parameters cannot be asked wrongly
    if mode == "right" and label in KNOWN:
        assert 200 in statuses


# --- reports: a real one with one thing changed ---------------------------------------------------------

JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(max_size=40),
    lambda inner: (
        strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=6,
)
SAME_KIND = {
    str: strategies.text(min_size=1, max_size=60),
    int: strategies.integers(0, 2**53),
    float: strategies.floats(0, 1e9, allow_nan=False),
}


def near(value):
    """What may be kept in place of this value: the other bool, a number not far off."""
    if isinstance(value, bool):
        return strategies.booleans()
    if isinstance(value, int):
        return strategies.integers(value // 2, 2 * abs(value) + 1)
    if isinstance(value, float):
        return strategies.floats(0.5 * value, 2 * value) if value >= 0 else strategies.floats(2 * value, 0.5 * value)
    return strategies.none()


def leaves(value, path=()):
    """The paths of everything in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield (*path, name)
        yield from leaves(below, (*path, name))


def changed(document, path, value):
    whole = json.loads(json.dumps(document))
    place = whole
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return whole


@pytest.mark.slow
@pytest.mark.parametrize("original", [json.loads(canonical(measured())), run_document()], ids=["report", "run"])
def test_no_report_breaks_what_shows_it(original):
    """A report with one thing changed is refused in one sentence, or kept and shown in every form."""
    visitor, paths, kept = client(), list(leaves(original)), []

    @given(data=strategies.data())
    @settings(max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def share(data):
        path = data.draw(strategies.sampled_from(paths))
        before = _at(original, path)
        same = SAME_KIND.get(type(before), JSON)
        value = data.draw(strategies.one_of(near(before), same, same, JSON))
        body = json.dumps(changed(original, path, value))
        answer = visitor.post("/api/v1/reports?listed=true", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (201, 400, 422), answer.text
        if answer.status_code == 201:
            kept.append(answer.json()["id"])
            for ending in ("", ".md", ".json", ".svg", ".png"):
                assert visitor.get(f"/r/{kept[-1]}{ending}").status_code == 200, ending
        else:
            assert 0 < len(answer.json()["error"]) < 400

    share()
    assert len(kept) > 20
    assert visitor.get("/api/v1/reports?limit=200").json()["total"] == len(kept)
    for ending in ("csv", "parquet"):
        assert visitor.get(f"/api/v1/reports.{ending}").status_code == 200


def _at(value, path):
    for name in path:
        value = value[name]
    return value
