"""When a llama.cpp build was made: numbers and dates of builds, and the line between them."""

import re
from datetime import date
from itertools import pairwise

from advisor.errors import QuestionError

PINNED_BUILD = "2026-10-15"
"""The engine that plans are made for: commit 0c1e57098 of llama.cpp, of October 2026, as llama-cpp-python 0.3.36 carries it."""

# A build's number counts the commits of llama.cpp's main branch, so numbers between two rows lie on the line between their
# dates. Sources: "log" is a public load log that printed the number on the day it was built or within a few days of it; "PR" is
# a pull request of another project that took this build in when it was new.
BUILD_DATES: tuple[tuple[int, date, str], ...] = (
    (2527, date(2024, 3, 25), "PR ollama/ollama#3348"),
    (2859, date(2024, 5, 12), "PR msys2/MINGW-packages#20876"),
    (3126, date(2024, 6, 10), "log of 2024-06-25, commit 582820c5"),
    (4400, date(2024, 12, 30), "commit 6e1531ac"),
    (4905, date(2025, 3, 16), "log of 2025-03-19, commit b1b132ef"),
    (5192, date(2025, 4, 27), "logs of 2025-04-24 and 2025-04-29, commit e59a5f1e"),
    (5274, date(2025, 5, 3), "log of 2025-05-03, commit d541533a"),
    (5331, date(2025, 5, 9), "log of 2025-05-07, commit 33eff402"),
    (5622, date(2025, 6, 10), "log of 2025-06-10, commit 97340b4c"),
    (6060, date(2025, 8, 2), "log of 2025-08-03, commit 9c35706b"),
    (6123, date(2025, 8, 10), "PR xorbitsai/xllamacpp#65"),
    (6168, date(2025, 8, 14), "log of 2025-08-14, commit 092fd845"),
    (7312, date(2025, 12, 8), "gpustack/gpustack#3767"),
    (7394, date(2025, 12, 14), "lmstudio-ai/lmstudio-bug-tracker#1308"),
    (7710, date(2026, 1, 12), "PR xorbitsai/xllamacpp#109"),
    (8054, date(2026, 2, 16), "log of 2026-02-17, commit 01d8eaa28"),
    (8179, date(2026, 2, 28), "log of 2026-03-01, commit ecbcb7ea9"),
    (8354, date(2026, 3, 15), "ggml-org/llama.cpp#20597"),
    (8651, date(2026, 4, 3), "PR gominimal/pkgs#40"),
    (8779, date(2026, 4, 13), "PR containers/ramalama#2630"),
    (8816, date(2026, 4, 16), "PR llama-farm/llamafarm#819"),
    (9010, date(2026, 5, 3), "log of 2026-05-03, commit d05fe1d7d"),
    (9888, date(2026, 7, 6), "PR ollama/ollama#17055"),
    (9986, date(2026, 7, 14), "PR containers/ramalama#2842"),
    (10107, date(2026, 7, 28), "unslothai/unsloth#7530"),
    (10760, date(2026, 9, 2), "PR ollama/ollama#18199"),
)
_FIRST_COUNTED = 1000
"""Smaller numbers come from shallow clones ("build: 1 (ebbf544)") and say nothing about the age of the source."""


def build_date(build: str | None) -> date:
    """The day whose engine `build` means: "b6060", "6060", "8179 (ecbcb7ea9) with ...", "2025-12-01", or None for the
    pinned one.

    Raises QuestionError for anything else, and for numbers that count no commits ("1 (ebbf544)").
    """
    text = (PINNED_BUILD if build is None else build).strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise _not_a_build(text) from None
    number = re.match(r"b?(\d{1,6})(?![\d.])", text, re.IGNORECASE)
    if number is None or int(number[1]) < _FIRST_COUNTED:
        raise _not_a_build(text)
    return _date_of_number(int(number[1]))


def _not_a_build(text: str) -> QuestionError:
    return QuestionError(
        f'"{text[:60]}" is not a build of llama.cpp; write its number, such as "b6060", or a date, such as "2025-12-01"',
        field="build",
    )


def _date_of_number(number: int) -> date:
    if number <= BUILD_DATES[0][0]:
        return BUILD_DATES[0][1]
    for (low, low_date, _), (high, high_date, _) in pairwise(BUILD_DATES):
        if number <= high:
            share = (number - low) / (high - low)
            return date.fromordinal(low_date.toordinal() + round(share * (high_date - low_date).days))
    return max(BUILD_DATES[-1][1], date.fromisoformat(PINNED_BUILD))
