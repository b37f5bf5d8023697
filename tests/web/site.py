"""The server's own routes without Streamlit, in this process, as `serve` puts them together."""

from starlette.applications import Starlette
from starlette.testclient import TestClient

from advisor.serve import server_layers, server_routes

HOST = "headroom.test"


def site() -> Starlette:
    """API, shared reports and limits, by the settings of this process."""
    return Starlette(routes=server_routes(), middleware=server_layers([HOST]))


def client(**more) -> TestClient:
    """A visitor; errors of the server are answers, as outside of tests."""
    return TestClient(site(), base_url=f"http://{HOST}", raise_server_exceptions=False, **more)
