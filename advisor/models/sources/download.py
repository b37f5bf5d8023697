"""Downloads of GGUF models from the hub: `plan_download`, then `download`. Resumed after a cut, checked by SHA-256 at the end.

A file has its name only when it is whole and its checksum is right; before, it is NAME.DIGEST.part beside it.
"""

import hashlib
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import httpx2
from huggingface_hub.file_download import repo_folder_name

from advisor.errors import (
    DownloadCancelledError,
    DownloadError,
    HubAnswerError,
    HubBusyError,
    HubError,
    HubNotFoundError,
    HubUnreachableError,
    QuestionError,
)
from advisor.file_lock import file_lock, is_locked
from advisor.models.sources.hub import HubAccess, the_hub
from advisor.models.sources.hub_address import HubAddress, hub_cache_folder
from advisor.models.sources.hub_files import HubFile, choose
from advisor.paths import cache_folder
from advisor.units import format_size

_SPARE_BYTES = 512 * 2**20
"""Left free on the disk."""
_ATTEMPTS = 6
"""Of one file without a byte more; each cut after some progress begins the count again."""
_LONGEST_WAIT_S = 60.0
_REPORT_S = 0.25
_RATE_OVER_S = 5.0
_STEP = 2**20
Stage = Literal["downloading", "checking", "done"]


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What will be loaded, and where to. `folder` None: into huggingface_hub's cache."""

    repo: str
    revision: str
    quantization: str | None
    files: tuple[HubFile, ...]
    total_bytes: int
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. Rate and time left are None until there is something to tell them from."""

    stage: Stage
    file: str
    done_bytes: int
    total_bytes: int
    rate_bytes_s: float | None
    left_s: float | None


Report = Callable[[Progress], None]


def plan_download(
    address: HubAddress, quantization: str | None = None, folder: Path | None = None, access: HubAccess | None = None
) -> DownloadPlan:
    """What `address` names, with sizes and checksums as the hub says them. Loads nothing.

    Raises QuestionError where that is no one GGUF model, HubError where the hub does not say.
    """
    found = (access or the_hub()).repository(address.repo, address.revision)
    if found.kind != "gguf":
        raise QuestionError(
            f'"{found.repo}" has no GGUF files; download it with `hf download {found.repo}`, or choose a GGUF version',
            field="model",
        )
    model = choose(found, address.tag or (None if address.file else quantization), address.file)
    if model.missing:
        raise HubNotFoundError(f'"{found.repo}" lacks a part of the model: {model.missing[0]}; choose another file')
    if model.size is None or (folder is None and any(part.sha256 is None for part in model.parts)):
        lacking = "size" if model.size is None else "checksum"
        raise HubAnswerError(f"the hub does not say the {lacking} of {model.stem}; download it in a browser, or with --folder")
    return DownloadPlan(found.repo, found.revision, model.quantization, model.parts, model.size, folder)


def download(
    plan: DownloadPlan, *, report: Report | None = None, stop: threading.Event | None = None, access: HubAccess | None = None
) -> tuple[Path, ...]:
    """The files of `plan` on this machine, in its order. What was loaded before, or in part, is not loaded again.

    Setting `stop` ends it within a second: DownloadCancelledError. Raises DownloadError where the disk has no room or a
    checksum is wrong, HubError where the hub does not give the files.
    """
    run = _Run(plan, report or (lambda _: None), stop or threading.Event(), access or the_hub())
    return run.all()


class _Run:
    """One download."""

    def __init__(self, plan: DownloadPlan, report: Report, stop: threading.Event, access: HubAccess) -> None:
        self._plan, self._report, self._stop, self._access = plan, report, stop, access
        self._done = 0
        self._seen: deque[tuple[float, int]] = deque()
        self._reported = 0.0
        self._digest = hashlib.sha256()

    def all(self) -> tuple[Path, ...]:
        folder = self._plan.folder or self._blobs()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._check_room(folder)
            paths = tuple(self._one(file, folder) for file in self._plan.files)
        except OSError as error:
            raise DownloadError(
                f'"{folder}" cannot be written: {error.strerror or error}; choose another with --folder'
            ) from None
        self._tell("done", self._plan.files[-1].name)
        return paths

    def _blobs(self) -> Path:
        name: str = repo_folder_name(repo_id=self._plan.repo, repo_type="model")
        return hub_cache_folder() / name / "blobs"

    def _target(self, file: HubFile, folder: Path) -> Path:
        return folder / (file.name if self._plan.folder else f"{file.sha256}")

    def _part(self, file: HubFile, folder: Path) -> Path:
        """Named by its content too: the start of another version is never gone on with."""
        return self._target(file, folder).with_name(f"{self._target(file, folder).name}.{(file.sha256 or 'unknown')[:12]}.part")

    def _check_room(self, folder: Path) -> None:
        here = sum(_size(self._target(file, folder)) or _size(self._part(file, folder)) for file in self._plan.files)
        needed = max(self._plan.total_bytes - here, 0)
        free = shutil.disk_usage(folder).free
        if needed and needed + _SPARE_BYTES > free:
            raise DownloadError(
                f"{format_size(needed)} are still to be loaded and {folder} has {format_size(free)} free, of which "
                f"{format_size(_SPARE_BYTES)} stay free; make room, or choose another folder with --folder"
            )

    def _one(self, file: HubFile, folder: Path) -> Path:
        target = self._target(file, folder)
        lock = _lock_of(target)
        if is_locked(lock):
            raise DownloadError(f"{file.name} is being downloaded by another Headroom now; wait for it, or stop it")
        with file_lock(lock):
            if self._plan.folder and target.exists() and _size(target) != file.size:
                raise DownloadError(f'"{target}" is there and is another file; rename it, or choose another folder')
            if target.exists():
                self._done += file.size or 0
            else:
                self._load(file, self._part(file, folder), target)
        if self._plan.folder:
            return target
        return Path(self._access.into_cache(self._plan.repo, file.path, self._plan.revision))

    def _load(self, file: HubFile, part: Path, target: Path) -> None:
        size, before = file.size or 0, self._done
        self._digest = hashlib.sha256()
        with part.open("a+b") as stream:
            if stream.seek(0, 2) > size:
                stream.truncate(0)
            self._hash(stream, file.name)
            attempts = 0
            while (at := stream.seek(0, 2)) < size:
                try:
                    self._fetch(file, stream, at)
                except (HubUnreachableError, HubBusyError) as error:
                    attempts = 1 if stream.seek(0, 2) > at else attempts + 1
                    self._wait(error, attempts)
        if file.sha256 is not None and self._digest.hexdigest() != file.sha256:
            part.unlink(missing_ok=True)
            raise DownloadError(
                f"{file.name} was damaged on its way (its checksum is wrong) and was deleted; download it again"
            )
        part.replace(target)
        self._done = before + size

    def _hash(self, stream: BinaryIO, name: str) -> None:
        """What is here of the file already."""
        stream.seek(0)
        while chunk := stream.read(_STEP):
            self._check_stop()
            self._digest.update(chunk)
            self._done += len(chunk)
            self._tell("checking", name)
        self._seen.clear()

    def _fetch(self, file: HubFile, stream: BinaryIO, start: int) -> None:
        """Goes on at `start`, where `stream` ends. Raises HubError where the answer ends too early or is another one."""
        url = self._access.url(self._plan.repo, file.path, self._plan.revision)
        try:
            self._access.download(url, file.name, lambda answer: self._take(answer, file, stream, start), start, self._stop)
        except HubError:
            self._check_stop()
            raise
        self._check_stop()

    def _take(self, answer: httpx2.Response, file: HubFile, stream: BinaryIO, at: int) -> None:
        if at and answer.status_code != 206:
            # A server without ranges sends it all again.
            stream.truncate(0)
            self._digest = hashlib.sha256()
            self._done -= at
            at = 0
        elif at and not answer.headers.get("Content-Range", "").startswith(f"bytes {at}-"):
            raise HubAnswerError(f"the hub sent another part of {file.name} than was asked for; try again")
        for chunk in answer.iter_raw():
            if self._stop.is_set():
                return
            at += len(chunk)
            if at > (file.size or 0):
                raise HubAnswerError(f"the hub sends more of {file.name} than it said; try again")
            stream.write(chunk)
            self._digest.update(chunk)
            self._done += len(chunk)
            self._tell("downloading", file.name)
        stream.flush()
        if at < (file.size or 0):
            raise HubUnreachableError(f"the answer of the hub with {file.name} broke off; try again")

    def _wait(self, error: HubError, attempts: int) -> None:
        """Before the next attempt, as long as the hub asks or longer from time to time. Raises `error` at the last."""
        said = error.retry_after_s if isinstance(error, HubBusyError) else None
        if attempts >= _ATTEMPTS or (said or 0) > _LONGEST_WAIT_S:
            raise error
        if self._stop.wait(said or min(0.5 * 2**attempts, _LONGEST_WAIT_S)):
            self._check_stop()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise DownloadCancelledError("the download was stopped; the next one goes on from here")

    def _tell(self, stage: Stage, name: str) -> None:
        now = time.monotonic()
        if stage != "done" and now - self._reported < _REPORT_S:
            return
        self._reported = now
        self._seen.append((now, self._done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        (since, before), total = self._seen[0], self._plan.total_bytes
        rate = (self._done - before) / (now - since) if now - since > _REPORT_S / 2 and stage == "downloading" else None
        left = (total - self._done) / rate if rate else None
        self._report(Progress(stage, name, min(self._done, total), total, rate, left))


def _lock_of(target: Path) -> Path:
    """Of Headroom's own, so that no lock is left in the person's folder."""
    folder = cache_folder() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{hashlib.sha256(str(target.absolute()).encode(errors='surrogateescape')).hexdigest()[:32]}.lock"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
