"""The folders beside the package: those of a checkout here, those in a wheel where `advisor/_shipped` is."""

from pathlib import Path

import pytest

from advisor import paths


def test_a_checkout_has_them_at_its_root() -> None:
    root = Path(paths.__file__).resolve().parent.parent
    assert paths.profiles_folder() == root / "hardware_profiles"
    assert paths.profiles_folder().is_dir()
    assert paths.pages_folder() == root / "pages"
    assert paths.streamlit_folder() == root / ".streamlit"


def test_a_wheel_has_them_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hardware_profiles", "pages", "streamlit"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(paths, "_SHIPPED", tmp_path)
    assert paths.profiles_folder() == tmp_path / "hardware_profiles"
    assert paths.pages_folder() == tmp_path / "pages"
    assert paths.streamlit_folder() == tmp_path / "streamlit"
