"""Where the files are that the program reads beside its code: in a checkout at the root, in a wheel under `advisor/_shipped`.

`hardware_profiles/`, `pages/` and `.streamlit/` lie outside the package in a checkout. The wheel carries them as package
data under their own names without a leading dot (`_shipped/hardware_profiles`, `_shipped/pages`, `_shipped/streamlit`).
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_shipped"


def beside_the_package(name: str) -> Path:
    """The folder `name`: the shipped copy where this is an installed wheel, else the one at the root of the checkout."""
    shipped = _SHIPPED / name.lstrip(".")
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


def profiles_folder() -> Path:
    """Where `hardware_profiles/*/*.toml` are."""
    return beside_the_package("hardware_profiles")


def pages_folder() -> Path:
    """Where the pages of the app are."""
    return beside_the_package("pages")


def streamlit_folder() -> Path:
    """Where Streamlit's `config.toml` is."""
    return beside_the_package(".streamlit")


def static_folder() -> Path:
    """Where fonts, logo and icon are, served under `app/static/`."""
    return _PACKAGE / "static"


def cache_folder() -> Path:
    """Where what can be made again is kept for this user, such as the built engine; it may not exist yet."""
    import platformdirs

    return platformdirs.user_cache_path("headroom", appauthor=False)


def data_folder() -> Path:
    """Where what the user made is kept, such as reports; it may not exist yet."""
    import platformdirs

    return platformdirs.user_data_path("headroom", appauthor=False)
