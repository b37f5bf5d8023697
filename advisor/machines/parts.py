"""`[[parts]]` of a profile file: cards of other profiles, several of each, for machines that people put together."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advisor.errors import QuestionError
from advisor.machines.profile import MachineProfile

MOST_GPUS = 64


class Part(BaseModel):
    """So many GPUs of one profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = Field(max_length=200)
    count: int = Field(default=1, ge=1, le=MOST_GPUS)


def with_parts(values: Mapping[str, Any], profile_of: Callable[[str], MachineProfile]) -> dict[str, Any]:
    """The values of a profile file with the GPUs of its parts in place of `parts`, each with its sources.

    `profile_of` returns the profile of an id. Raises QuestionError where a part is not one of a discrete machine.
    """
    parts = values.get("parts")
    if parts is None:
        return dict(values)
    if not isinstance(parts, list) or "gpus" in values:
        raise QuestionError('"parts" is a list of tables, [[parts]], and takes the place of [[gpus]].', field="machine")
    try:
        asked = [Part.model_validate(part) for part in parts[: MOST_GPUS + 1]]
    except ValidationError:
        raise QuestionError(
            f'a part is a profile and a count, such as profile = "rtx-3090" and count = 2 (at most {MOST_GPUS}).',
            field="machine",
        ) from None
    if sum(part.count for part in asked) > MOST_GPUS:
        raise QuestionError(f"a machine can have at most {MOST_GPUS} GPUs.", field="machine")
    gpus: list[dict[str, Any]] = []
    sources = dict(values.get("sources", {}))
    for part in asked:
        base = profile_of(part.profile)
        if base.kind != "discrete":
            raise QuestionError(
                f'"{part.profile}" has no memory of its own, so it is no part of another machine.', field="machine"
            )
        for _ in range(part.count):
            for index, gpu in enumerate(base.gpus):
                sources |= _moved(base.sources, index, len(gpus))
                gpus.append(gpu.model_dump(exclude_none=True))
    return {**{name: value for name, value in values.items() if name != "parts"}, "gpus": gpus, "sources": sources}


def _moved(sources: Mapping[str, str], old: int, new: int) -> dict[str, str]:
    """The sources of GPU number `old`, for GPU number `new`."""
    before = f"gpus.{old}"
    return {f"gpus.{new}{path.removeprefix(before)}": said for path, said in sources.items() if path.startswith(before)}
