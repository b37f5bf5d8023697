"""Every failure that a person can act on, one small class each.

The message is one sentence that says what is wrong and what to do; it is shown as it stands on a page and on the command
line. `exit_code` is what the `advisor` command ends with: 2 where the question is wrong, 3 where a part is missing.
Classes carry their facts as attributes and inherit the builtin that a caller would expect.
"""


class HeadroomError(Exception):
    """The root of all errors that are shown to a person; never raised itself."""

    exit_code = 2

    def __init__(self, message: str = "") -> None:
        super().__init__(_printable(message))


def shortened(text: str, most: int) -> str:
    """`text` as a sentence repeats it: its first `most` letters, where a stranger made it longer."""
    return text if len(text) <= most else f"{text[:most]}..."


def _printable(text: str) -> str:
    """`text` without control characters: names out of a damaged file may hold anything, and messages end up on terminals."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


# --- the question ---------------------------------------------------------------------------------


class QuestionError(HeadroomError, ValueError):
    """A part of the question is wrong: an unknown model, quantization, machine or setting, or a number out of range."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooSmallForSlicesError(QuestionError):
    """The model is so small that it is better run whole than by slices of it."""


class UnplannedModelError(QuestionError):
    """The model is known, but not well enough to be planned. `model_id` is its id, `nearest` that of a model that can be."""

    def __init__(self, message: str, *, model_id: str, nearest: str) -> None:
        super().__init__(message, field="model")
        self.model_id = model_id
        self.nearest = nearest


# --- parts that are missing -----------------------------------------------------------------------


class MissingPartError(HeadroomError, RuntimeError):
    """Something that the answer needs is not here (engine, file, network); the message says how to get it."""

    exit_code = 3


class HubError(MissingPartError):
    """The hub, or what stands before it, did not give what was asked for; each kind below is one of its own."""


class HubOfflineError(HubError):
    """Offline mode is on (HF_HUB_OFFLINE) and what was asked for is not kept on this machine."""


class HubUnreachableError(HubError):
    """No connection, a cut one, or no answer within the time limit. `down`: nothing at all came back."""

    def __init__(self, message: str, *, down: bool = False) -> None:
        super().__init__(message)
        self.down = down


class HubAccessError(HubError):
    """The hub wants a login, accepted terms or another token (401, 403). `gated`: it is the terms that are missing."""

    def __init__(self, message: str, *, gated: bool = False) -> None:
        super().__init__(message)
        self.gated = gated


class HubNotFoundError(HubError):
    """The hub has no such repository, revision or file."""


class HubBusyError(HubError):
    """Too many requests (429). `retry_after_s` is what the hub asks to wait; None where it does not say."""

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class HubAnswerError(HubError):
    """The answer is not what was asked for: a fault of the hub (5xx), a web page, a wrong length, another file."""


class DownloadError(MissingPartError):
    """A download cannot begin or did not end: no room on the disk, a folder that cannot be written, a wrong checksum."""


class DownloadCancelledError(DownloadError):
    """The person stopped it; what was loaded so far stays and the next attempt goes on from there."""


class LocalServerError(MissingPartError):
    """A program on this machine (Ollama, LM Studio) does not answer, or answers what it should not."""


class StoreError(MissingPartError):
    """The database of reports cannot be reached or refuses; nothing was lost that had been acknowledged."""


# --- the engine -----------------------------------------------------------------------------------


class EngineRefusedError(QuestionError):
    """llama.cpp itself refuses the model or the settings; the message has its own reason."""


class EngineFailedError(MissingPartError):
    """The engine gave no answer: it broke down, took too long or too much memory, or is not the pinned one."""


# --- hyperparameters and tensor lists -------------------------------------------------------------


class HyperparameterError(HeadroomError, ValueError):
    """A model's metadata lacks a key that it needs, or gives one a value that cannot be; `key` is its full name."""

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


# --- GGUF files -----------------------------------------------------------------------------------


class GGUFError(QuestionError):
    """A file that was given as a GGUF model cannot be used; each kind below is one of its own. Never raised itself.

    `offset` is the byte of the file at which it was noticed, `path` the file's name; either may be unknown.
    """

    advice = "download it again from where it came from"

    def __init__(self, problem: str, *, offset: int | None = None, path: str | None = None, advice: str | None = None) -> None:
        super().__init__(problem, field="model")
        self.problem = problem
        self.offset = offset
        self.path = path
        if advice is not None:
            self.advice = advice

    def __str__(self) -> str:
        subject = f'"{self.path}"' if self.path else "The file"
        place = f" (noticed at byte {self.offset:,})" if self.offset else ""
        return _printable(f"{subject} {self.problem}{place}; {self.advice}.".replace("\n", " "))


class NotGGUFError(GGUFError):
    """The first bytes are those of no GGUF file and of nothing else that is known."""

    advice = 'choose a file whose name ends in ".gguf"'


class EmptyFileError(NotGGUFError):
    """The file has no bytes, usually after a download that never began."""

    advice = "download it again from where it came from"


class WebPageError(NotGGUFError):
    """A web page was saved in the place of the model, usually a login or error page."""

    advice = "open its address in a browser to see what the page says, then download the model file itself"


class GitLFSPointerError(NotGGUFError):
    """A Git LFS pointer: the few lines that stand for the model in a repository cloned without git-lfs."""

    advice = 'run "git lfs pull" in the repository, or download the file from its page'


class SafetensorsError(NotGGUFError):
    """A safetensors file, the weights of a model before conversion."""

    advice = "choose a GGUF version of this model, or give the folder with its config.json"


class ArchiveError(NotGGUFError):
    """A zip, gzip, tar or similar archive, or a PyTorch checkpoint, which is a zip file."""

    advice = "unpack it and choose the .gguf file inside, or choose a GGUF version of this model"


class OldGGMLError(NotGGUFError):
    """A GGML, GGMF, GGJT or GGLA file of before August 2023, which llama.cpp no longer reads."""

    advice = "choose a GGUF version of this model"


class GGUFVersionError(GGUFError):
    """GGUF version 1, which llama.cpp no longer reads, or a version that does not exist yet."""

    advice = "choose a newer conversion of this model"


class GGUFTruncatedError(GGUFError):
    """The file or the bytes given end inside the header. `needed` is the least number of bytes that must be there."""

    advice = "the download was probably cut off: download it again"

    def __init__(
        self,
        problem: str,
        *,
        offset: int | None = None,
        path: str | None = None,
        advice: str | None = None,
        needed: int | None = None,
    ) -> None:
        super().__init__(problem, offset=offset, path=path, advice=advice)
        self.needed = needed


class GGUFLengthError(GGUFError):
    """A count or length that is negative or that no GGUF header could hold."""


class GGUFLimitError(GGUFError):
    """The header holds far more than any model's: reading on would take too much memory."""


class GGUFNestingError(GGUFError):
    """Arrays within arrays, deeper than any model has."""


class GGUFKeyError(GGUFError):
    """A key is empty, too long, not text, or there twice."""


class GGUFValueTypeError(GGUFError):
    """A value's type is not one of GGUF's, or not the one that a general key has."""


class GGUFAlignmentError(GGUFError):
    """general.alignment is not a power of two, or a tensor does not lie on a multiple of it."""


class GGUFTensorNameError(GGUFError):
    """A tensor's name is too long, not text, or there twice."""


class GGUFTensorTypeError(GGUFError):
    """A tensor's type is unknown: removed from llama.cpp, or of another program."""

    advice = "choose another quantization of this model"


class GGUFShapeError(GGUFError):
    """A tensor has more than four dimensions, an empty one, too many elements, or rows that are no whole blocks of its type."""


class GGUFTensorRangeError(GGUFError):
    """Two tensors lie over each other, or one goes on past the end of the file."""


class GGUFSplitError(GGUFError):
    """The parts of a split model do not belong together, or the first one was not the one given."""

    advice = "give the first part, with all parts in one folder under the names they were published with"


class GGUFPartMissingError(GGUFSplitError):
    """Parts of a split model are not beside the first. `missing` are their file names."""

    exit_code = 3

    def __init__(
        self,
        problem: str,
        *,
        offset: int | None = None,
        path: str | None = None,
        advice: str | None = None,
        missing: tuple[str, ...] = (),
    ) -> None:
        super().__init__(problem, offset=offset, path=path, advice=advice)
        self.missing = missing


class GGUFFileError(GGUFError):
    """The file is not there, is not a regular file, or may not be read."""

    exit_code = 3
    advice = "check its name and that you may read it"


class NotAModelError(GGUFError):
    """A sound GGUF file that is no language model: a vocabulary, a vision projector, an adapter, an importance matrix."""

    advice = "choose the file with the model's weights"
