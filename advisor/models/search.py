"""Finding a model by what people type: any part of its names, in any order, misspelled, or as Ollama and the hub name it. Pure.

A text is cut into words and sizes ("llama3.1 8b" is "llama", "3.1", "8b"); each word of it is compared with the words of every
model, rare ones counting more ("coder" says more than "qwen"); a model that has all of them and little else comes first.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log, log10
from typing import Generic, Protocol, TypeVar

_LONGEST = 200
"""Characters of a text that are looked at."""

_HUB = re.compile(r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co|ollama\.com/library|ollama:)/?", re.IGNORECASE)
_QUANTIZATION = re.compile(
    r"(?<![a-z0-9])(?:ud[-_])?(?:i?q[1-8](?:_[a-z0-9]+)*|t?q[12]_0|mxfp4(?:_moe)?|bf16|f(?:p)?(?:16|32)|[2-8]-?bits?|int[48])(?![a-z0-9])"
)
_WORD = re.compile(r"\d+x\d+b|a?\d+(?:\.\d+)*[bmt](?![a-z])|\d+(?:\.\d+)*|[a-z]+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bmt])")
_ENDINGS = frozenset(
    ("instruct", "chat", "it", "hf", "gguf", "meta", "latest", "mlx", "model", "preview", "awq", "gptq", "the", "ai")
)
"""Words that publishers add and that tell no models apart."""
_SAME = {"ds": "deepseek", "vision": "vl"}
"""What people write for a word of a name."""


class Named(Protocol):
    """A model, as search sees it."""

    @property
    def id(self) -> str: ...
    @property
    def parameters(self) -> int: ...
    @property
    def search_names(self) -> Sequence[str]: ...
    @property
    def repositories(self) -> Sequence[str]: ...
    @property
    def family(self) -> str: ...
    @property
    def downloads(self) -> int | None: ...


Model = TypeVar("Model", bound=Named)


@dataclass(frozen=True)
class Found(Generic[Model]):
    """A model and how well it meets a text."""

    model: Model
    score: float
    """1 where every word was found as it was written."""
    whole: bool
    """Every word was found as it was written."""
    named: bool
    """The words are those of one of the model's names, and no others."""


class SearchIndex(Generic[Model]):
    """The words of all models, cut once."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = tuple(models)
        self._pairs = [
            frozenset(pair for name in model.search_names for pair in pairwise(words(name))) for model in self._models
        ]
        self._names = [frozenset(frozenset(words(name)) for name in model.search_names) for model in self._models]
        self._words = [_words_of(model) for model in self._models]
        having: dict[str, list[int]] = {}
        for place, own in enumerate(self._words):
            for word in own:
                having.setdefault(word, []).append(place)
        self._having = having
        count = len(self._models)
        self._weight = {word: log(1 + count / len(places)) for word, places in having.items()}
        self._total = [sum(self._told(word) for word, worth in own.items() if worth == 1) or 1.0 for own in self._words]
        self._repositories = {repo.lower(): place for place, model in enumerate(self._models) for repo in model.repositories}

    def search(self, text: str, limit: int = 8) -> list[Found[Model]]:
        """The models that meet `text`, best first; none where no word of it is like any of theirs."""
        text = _HUB.sub("", text.strip()[:_LONGEST].lower())
        wanted = words(text)
        listed = self._repositories.get(text.partition(":")[0])
        scores: dict[int, float] = {}
        met: dict[int, set[str]] = {}
        hits = dict.fromkeys(range(len(self._models)), 0)
        pairs = list(pairwise(wanted))
        total = 0.0
        for word in wanted:
            best, weight = self._matches(word)
            total += weight
            for place, (worth, own) in best.items():
                scores[place] = scores.get(place, 0.0) + worth * weight
                met.setdefault(place, set()).add(own)
                hits[place] += worth >= _AS_WRITTEN
        found = []
        for place, score in scores.items():
            told = sum(self._told(word) for word in met[place] if self._words[place].get(word) == 1)
            rest = 1 - min(1.0, told / self._total[place])
            named = frozenset(wanted) in self._names[place]
            side_by_side = sum(pair in self._pairs[place] for pair in pairs) / max(1, len(pairs))
            quality = score / total - 0.12 * rest + 0.08 * side_by_side + 0.1 * named
            quality += 0.006 * log10(1 + (self._models[place].downloads or 0)) + 10 * (place == listed)
            found.append(Found(self._models[place], quality, hits[place] == len(wanted), named))
        found = [one for one in found if one.score > _LEAST]
        return sorted(found, key=lambda one: (-one.score, one.model.id))[:limit]

    def _told(self, word: str) -> float:
        """What a word says that was not asked for: a size says little, since people leave it out."""
        return self._weight.get(word, 0.0) * (0.3 if word[-1:] in "bmt" and word[0] in "a0123456789" else 1.0)

    def _matches(self, word: str) -> tuple[dict[int, tuple[float, str]], float]:
        """By model: how well its nearest word meets `word`; and what the word counts."""
        best: dict[int, tuple[float, str]] = {}
        alike = _alike(word, tuple(self._having))
        for own, likeness in alike.items():
            for place in self._having[own]:
                worth = likeness * self._words[place][own]
                if worth > best.get(place, (0.0, ""))[0]:
                    best[place] = (worth, own)
        size = _SIZE.fullmatch(word)
        if size:
            for place, model in enumerate(self._models):
                near = _near_size(size, model.parameters)
                if near > best.get(place, (0.0, ""))[0]:
                    best[place] = (near, "")
        weights = [self._weight[own] for own, likeness in alike.items() if likeness >= _AS_WRITTEN]
        return best, max(weights, default=log(1 + len(self._models)))


_AS_WRITTEN = 0.9
"""Likeness from which a word counts as found as it was written."""
_LEAST = 0.3
"""Below this score a model has little to do with the text."""


@lru_cache(maxsize=1024)
def words(text: str) -> tuple[str, ...]:
    """The words and sizes of a name, each once, without quantization and endings."""
    plain = _QUANTIZATION.sub(" ", text.lower()).replace("+", " plus")
    found = [_SAME.get(word, word) for word in _WORD.findall(plain)]
    return tuple(dict.fromkeys(word for word in found if word not in _ENDINGS)) or tuple(dict.fromkeys(found))


def _words_of(model: Named) -> Mapping[str, float]:
    """A model's words and what they are worth: those of its names count fully, those of repositories and family less."""
    worth: dict[str, float] = {}
    for repo in model.repositories:
        owner, _, name = repo.rpartition("/")
        worth |= dict.fromkeys(words(owner), 0.5)
        worth |= {word: max(0.8, worth.get(word, 0)) for word in words(name)}
    worth |= {word: max(0.8, worth.get(word, 0)) for word in words(model.family)}
    for name in model.search_names:
        worth |= dict.fromkeys(words(name), 1.0)
    return worth


@lru_cache(maxsize=4096)
def _alike(word: str, known: tuple[str, ...]) -> Mapping[str, float]:
    """Likeness of `word` to every known word that is like it."""
    return {own: likeness for own in known if (likeness := _likeness(word, own))}


def _likeness(word: str, own: str) -> float:
    if word == own:
        return 1.0
    if word[0].isdigit() or own[0].isdigit():
        # A number may leave out its letter ("32" for "32b"), or the end of a version ("3" for "3.1").
        if own.rstrip("bmt") == word or word.rstrip("bmt") == own:
            return 0.95
        return 0.5 if own.startswith(f"{word}.") else 0.0
    if own.startswith(word) and len(word) >= 2:
        return 0.75 + 0.15 * len(word) / len(own)
    if len(word) >= 4 and len(own) >= 4:
        apart = _edits(word, own, 1 if len(word) < 7 else 2)
        if apart is not None:
            return 0.75 - 0.1 * apart
    return 0.0


def _edits(first: str, second: str, most: int) -> int | None:
    """Letters to change, add, leave out or swap with the next; None where more than `most`."""
    if abs(len(first) - len(second)) > most:
        return None
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, 1):
        last, before, row = before, row, [i]
        for j, right in enumerate(second, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if last and j > 1 and left == second[j - 2] and first[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None


def _near_size(size: re.Match[str], parameters: int) -> float:
    """Likeness of a size to a model's weights: Ollama calls a model of 15.7 billion 16b."""
    said = float(size[1]) * {"m": 1e6, "b": 1e9, "t": 1e12}[size[2]]
    if not said:
        return 0.0
    off = abs(parameters / said - 1)
    return max(0.0, 0.92 - 3 * max(0.0, off - 0.02)) if off < 0.12 else 0.0
