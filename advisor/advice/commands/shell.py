"""Command lines as a shell reads them."""

import re
import shlex
from collections.abc import Iterable

from advisor.advice.commands.launch import Shell

# What neither shell gives a meaning to, wherever it stands in a word. A leading "-" or "~" is not in it on purpose.
_PLAIN = re.compile(r"[A-Za-z0-9_./:=+,-]+")


def joined(words: Iterable[object], shell: Shell) -> str:
    """The words as one line, each quoted where it has to be."""
    return " ".join(quoted(str(word), shell) for word in words)


def quoted(word: str, shell: Shell) -> str:
    """`word` so that the shell hands it on as it is."""
    if _PLAIN.fullmatch(word):
        return word
    # PowerShell has no escapes within single quotes but the doubled quote (about_Quoting_Rules).
    return "'" + word.replace("'", "''") + "'" if shell == "powershell" else shlex.quote(word)


def with_environment(environment: dict[str, str], line: str, shell: Shell) -> str:
    """`line` run with the variables set."""
    if not environment:
        return line
    if shell == "powershell":
        return "; ".join([*(f"$env:{name}={quoted(value, shell)}" for name, value in environment.items()), line])
    return " ".join([*(f"{name}={quoted(value, shell)}" for name, value in environment.items()), line])


def here_document(path: str, lines: Iterable[str], shell: Shell) -> str:
    """A command that writes `lines` to the file `path`. No line may be the mark that ends it."""
    text = "\n".join(lines)
    if shell == "powershell":
        return f"@'\n{text}\n'@ | Set-Content {quoted(path, shell)}"
    return f"cat > {quoted(path, shell)} <<'END_OF_FILE'\n{text}\nEND_OF_FILE"
