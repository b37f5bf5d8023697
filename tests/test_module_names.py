"""Streamlit puts the folder of its script first on the path: no module in it may be called as one that others import."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "advisor"


def test_no_module_hides_another() -> None:
    ours = {path.stem for path in FOLDER.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()} - {
        "__init__",
        "__main__",
    }
    others = set(sys.stdlib_module_names) | set(packages_distributions()) - {"advisor"}
    assert not ours & others
