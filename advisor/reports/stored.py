"""From a document to a report: raised from older schemas, then checked strictly. What is wrong is said in one sentence."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from advisor.errors import QuestionError
from advisor.reports.report import MOST_BYTES, SCHEMA_VERSION, HardwareReport

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By schema version, the step to the next one. Steps are added and never changed: what was stored years ago stays readable."""

_SHOWN = 80


def checked(document: object) -> HardwareReport:
    """The report in a document of any schema version up to ours.

    Raises QuestionError with one sentence that names the field and what is wrong with it.
    """
    raised = upgraded(document)
    try:
        return HardwareReport.model_validate(raised)
    except ValidationError as error:
        raise QuestionError(f"this is not a report of Headroom: {complaint(error)}", field="report") from None


def upgraded(document: object) -> dict[str, Any]:
    """The document as the present schema has it. Raises QuestionError where it is none, or its version is not one of ours."""
    if not isinstance(document, Mapping):
        raise QuestionError("this is not a report: it is no JSON object", field="report")
    version = document.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or isinstance(version, bool):
        raise QuestionError("this is not a report of Headroom: schema_version must be a whole number", field="report")
    if version > SCHEMA_VERSION:
        raise QuestionError(
            f"this report has schema {str(version)[:12]}, of a newer Headroom; update this one, which knows {SCHEMA_VERSION}",
            field="report",
        )
    found = dict(document)
    while version < SCHEMA_VERSION:
        step = UPGRADES.get(version)
        if step is None:
            raise QuestionError(f"this report has schema {version}, which no Headroom ever wrote", field="report")
        version += 1
        found = step(found) | {"schema_version": version}
    return found


def parsed(text: str | bytes) -> HardwareReport:
    """The report in a file or a paste: a report as it was exported, or what `advisor verify --json` printed.

    Raises QuestionError with one sentence.
    """
    document = _object_in(text)
    if "schema" in document and "schema_version" not in document:
        from advisor.reports.making import report_of_measurement
        from advisor.verify.measurement import Measurement

        return report_of_measurement(Measurement.parse(text))
    return checked(document)


def _object_in(text: str | bytes) -> dict[str, Any]:
    if len(text) > 2 * MOST_BYTES:
        raise QuestionError(f"this is longer than any report ({MOST_BYTES // 2**20} MiB); give what `report export` wrote")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise QuestionError(
            "this is not a report: it is not JSON; give what `report export` or `verify --json` wrote"
        ) from None
    if not isinstance(document, dict):
        raise QuestionError("this is not a report: it is no JSON object; give what `report export` or `verify --json` wrote")
    return document


def canonical(report: HardwareReport) -> str:
    """The report as it is stored and exported: JSON without spaces, keys in the order of the schema."""
    return report.model_dump_json()


def complaint(error: ValidationError) -> str:
    """The first thing that is wrong, with its place, in a few words. What was given is not repeated: it may be long or foul."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:_SHOWN]
    message = first["msg"][:_SHOWN]
    return f"{place}: {message[:1].lower()}{message[1:]}" if place else f"{message[:1].lower()}{message[1:]}"
