"""The files of a browser component: `components/NAME.html`, `.css` and `.js`."""

from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "components"


def component_files(name: str) -> dict[str, Any]:
    """The texts of a component by kind, as `st.components.v2.component` takes them."""
    return {kind: (_FOLDER / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
