"""Text of strangers (names out of model files, words out of an address) made harmless for Streamlit's Markdown."""

_SIGNS = frozenset("\\`*_{}[]()<>#+-.!|$:~&@=\"'/^%;?,")
_JOINER = "\N{WORD JOINER}"


def inert(text: str) -> str:
    """`text` as Markdown that shows exactly its letters: no formatting, formula, icon, image or link comes of it.

    Signs are escaped. Web addresses become links even then, so an invisible joiner is put where they would be recognised.
    """
    shown = []
    for index, sign in enumerate(" ".join(text.split("\n"))):
        shown.append(f"\\{sign}" if sign in _SIGNS else sign)
        if sign in ":@" or (sign in "wW" and text[index + 1 : index + 4].lower() == "ww."):
            shown.append(_JOINER)
    return "".join(shown)
