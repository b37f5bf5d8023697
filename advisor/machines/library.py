"""The library of machines: `hardware_profiles/*/*.toml`, found by id or by name. A profile is read when it is asked for."""

import json
import re
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import ValidationError

from advisor.errors import QuestionError
from advisor.machines.capacity import completed
from advisor.machines.parts import with_parts
from advisor.machines.profile import MachineProfile
from advisor.paths import profiles_folder
from advisor.settings import only_at_home

_MAX_FILE = 2**20
_LONGEST_PATH = 80
"""Letters of a path that a sentence shows: its end, which names the file."""
_MOST_NAMED = 6
_NAME = re.compile(r'^name = "([^"]*)"$', re.MULTILINE)
_PATH = re.compile(r"\.{0,2}[/\\]|~|file:|[a-z]:[/\\]", re.IGNORECASE)
"""How paths start; no machine's name does."""
_BRANDS = frozenset(
    {"nvidia", "geforce", "quadro", "tesla", "amd", "ati", "radeon", "instinct", "intel", "apple", "corporation"}
    | {"gpu", "graphics", "graphic", "card", "core", "cores", "tm", "r", "the"}
)


@dataclass(frozen=True)
class Library:
    """All profiles by id. Listing ids reads no file; listing names reads each file's head once."""

    files: dict[str, Path] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids, by folder and then by name."""
        return tuple(self.files)

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each profile by its id."""
        return {id_: _name_in(path) or id_ for id_, path in self.files.items()}

    @cached_property
    def _by_words(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for id_, name in self.names.items():
            for key in {plain(id_), plain(name)}:
                found.setdefault(key, []).append(id_)
        return found

    def get(self, id_: str) -> MachineProfile:
        """The profile with exactly this id. Raises QuestionError where there is none."""
        if id_ not in self.files:
            raise _unknown(id_, self)
        return _read_cached(self.files[id_])

    def find(self, text: str) -> MachineProfile:
        """The profile that `text` means: an id, a name with or without its brand, or words that only one name has.

        Raises QuestionError, naming near ids, where none or several are meant.
        """
        wanted = text.strip()
        if wanted.lower() in self.files:
            return self.get(wanted.lower())
        found = self._by_words.get(plain(wanted)) or self.with_words(wanted)
        # The name of a card means the card, not the rigs that have it.
        meant = [id_ for id_ in found if self.files[id_].parent.name != "rigs"] or found
        if len(meant) == 1:
            return self.get(meant[0])
        if meant:
            listed = ", ".join(meant[:_MOST_NAMED]) + (", ..." if len(meant) > _MOST_NAMED else "")
            raise QuestionError(f'"{_short(wanted)}" can mean several machines: {listed}; write one id.', field="machine")
        raise _unknown(wanted, self)

    def with_words(self, text: str) -> list[str]:
        """The ids of the profiles whose id or name has all words of `text`, those with fewest other words first."""
        words = set(plain(text).split())
        found = {id_: len(key) for key, ids in self._by_words.items() if words and words <= set(key.split()) for id_ in ids}
        return sorted(found, key=lambda id_: (found[id_], id_))


@lru_cache(maxsize=1)
def library() -> Library:
    """The profiles that come with the program."""
    return Library({path.stem: path for path in sorted(profiles_folder().glob("*/*.toml"))})


def find_machine(text: str) -> MachineProfile:
    """The profile that `text` means: a path of a profile file, or what `Library.find` finds."""
    is_file = text.strip().endswith((".toml", ".json"))
    if is_file or _PATH.match(text.strip()):
        only_at_home(
            "this site reads no files of its own machine; name a machine of the list, or describe yours by its numbers"
        )
    if is_file:
        return read_profile(Path(text.strip()).expanduser())
    return library().find(text)


def read_profile(path: Path) -> MachineProfile:
    """The machine in a profile file: TOML, or the JSON that `advisor detect --json` prints.

    Raises QuestionError, naming the file and the field, where it is not one.
    """
    shown = str(path) if len(str(path)) <= _LONGEST_PATH else f"...{str(path)[-_LONGEST_PATH:]}"
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = _text_of(path)
        values = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except QuestionError:
        raise
    except OSError as error:
        raise QuestionError(f"{shown} cannot be read: {error.strerror or error}.", field="machine") from None
    except UnicodeDecodeError:
        raise QuestionError(f"{shown} is not a text file in UTF-8; a profile is a {kind} file.", field="machine") from None
    except (ValueError, RecursionError) as error:  # what both parsers raise, with line and column
        raise QuestionError(f"{shown} is not valid {kind}: {error}.", field="machine") from None
    try:
        whole = with_parts(values, lambda id_: library().get(id_)) if isinstance(values, dict) else values
        return completed(MachineProfile.model_validate(whole))
    except ValidationError as error:
        raise QuestionError(f"{shown}: {_complaint(error)}", field="machine") from None
    except QuestionError as error:
        raise QuestionError(f"{shown}: {error}", field="machine") from None


def _text_of(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise QuestionError(f"{_short(str(path))} is not a file; name a machine profile.", field="machine")
    if path.stat().st_size > _MAX_FILE:
        raise QuestionError(f"{_short(str(path))} is larger than 1 MiB; a machine profile is a small file.", field="machine")
    return path.read_text(encoding="utf-8")


def plain(text: str) -> str:
    """The words that tell one device from another: "NVIDIA GeForce RTX 3060 12 GB" and "rtx-3060-12gb" are alike."""
    words = text.lower().replace("(r)", " ").replace("(tm)", " ").replace("laptop gpu", "mobile").replace("laptop", "mobile")
    joined = re.sub(r"(\d+)\s*(?:gb|gib)\b", r"\1gb", words)
    return " ".join(word for word in re.findall(r"[a-z0-9]+", joined) if word not in _BRANDS)


@lru_cache(maxsize=512)
def _read_cached(path: Path) -> MachineProfile:
    return read_profile(path)


def _name_in(path: Path) -> str | None:
    match = _NAME.search(path.read_text(encoding="utf-8"))
    return match[1] if match else None


def _unknown(text: str, known: Library) -> QuestionError:
    names = {plain(id_): id_ for id_ in known.ids}
    close = [names[word] for word in get_close_matches(plain(text), list(names), n=4, cutoff=0.6)]
    near = f" Near: {', '.join(close)}." if close else ""
    return QuestionError(
        f'There is no machine "{_short(text)}"; write a profile id, a profile file or "detected".{near}', field="machine"
    )


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        return f'"{where}" is not a field of a machine profile; remove it or correct its name.'
    if first["type"] == "missing":
        return f'the field "{where}" is missing.'
    said = first["msg"].removeprefix("Value error, ")
    return f'the field "{where}" is wrong: {said[0].lower()}{said[1:]}.'


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
