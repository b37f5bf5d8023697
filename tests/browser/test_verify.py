"""Verify in Chromium on both real models: the check, the run with its time left, predicted beside measured, cancel."""

from pathlib import Path

import pytest

from tests.models.real_files import smollm2, whole_gemma

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
LONGEST_RUN_MS = 240_000


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Gemma's package has it in four parts."""
    return {"SmolLM2": smollm2(), "Gemma 3": whole_gemma(tmp_path_factory.mktemp("models"))}


@pytest.mark.parametrize("name", ["SmolLM2", "Gemma 3"])
def test_a_real_model_runs_from_the_page(visit, files, name):
    visitor = visit()
    page = visitor.open(f"verify?model={files[name]}&context=1024&seconds=10")
    assert visitor.heading == "Is it true? Run it on this computer"
    page.get_by_role("button", name="Run it").click()
    page.get_by_text("Loading the model").or_(page.get_by_text(" left")).first.wait_for()
    page.get_by_role("button", name="Run another").wait_for(timeout=LONGEST_RUN_MS)
    visitor.settled()
    assert "(we said " in visitor.heading
    table = page.locator("table").first.inner_text()
    for part in ("Weights", "KV cache", "Compute buffers"):
        row = next(line for line in table.splitlines() if line.startswith(part))
        assert row.endswith("the same"), row
    assert page.get_by_text("Memory over time").is_visible()


def test_cancel_takes_no_more_than_two_seconds_and_the_page_is_free_again(visit, files):
    visitor = visit()
    page = visitor.open(f"verify?model={files['SmolLM2']}&seconds=120")
    page.get_by_role("button", name="Run it").click()
    # Which phase is seen first depends on how fast this machine is.
    page.get_by_text("Warming up").or_(page.get_by_text(" left")).first.wait_for(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("was cancelled").first.wait_for(timeout=4_000)
    page.get_by_role("button", name="Run another").click()
    page.get_by_role("button", name="Run it").wait_for()


def test_the_model_page_leads_here_with_its_whole_question(visit, files):
    visitor = visit()
    page = visitor.open(f"model?model={files['SmolLM2']}&machine=detected&context=2048&type_k=q8_0&type_v=q8_0")
    page.get_by_role("button", name="Verify: run it here").click()
    page.get_by_role("button", name="Run it").wait_for(timeout=60_000)
    visitor.address_becomes("/verify?", "context=2048", "type_k=q8_0")
