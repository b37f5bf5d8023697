"""Every failure that a person can act on, one small class each.

The message is one sentence that says what is wrong and what to do; it is shown as it stands on a page and on the command
line. `exit_code` is what the `advisor` command ends with: 2 where the question is wrong, 3 where a part is missing.
Classes carry their facts as attributes and inherit the builtin that a caller would expect.
"""


class HeadroomError(Exception):
    """The root of all errors that are shown to a person; never raised itself."""

    exit_code = 2


# --- the question ---------------------------------------------------------------------------------


class QuestionError(HeadroomError, ValueError):
    """A part of the question is wrong: an unknown model, quantization, machine or setting, or a number out of range."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


# --- parts that are missing -----------------------------------------------------------------------


class MissingPartError(HeadroomError, RuntimeError):
    """Something that the answer needs is not here (engine, file, network); the message says how to get it."""

    exit_code = 3
