"""A run that was measured on this machine corrects forecasts on every page, says so there, and can be forgotten."""

import json
from dataclasses import replace

import pytest

import advisor.verification
from advisor.machines.here import HERE
from advisor.verify import calibration
from advisor.verify.calibration import forget, kept_runs, remember
from tests.models.real_files import smollm2
from tests.pages.conftest import plain
from tests.verify.test_calibration import HERE as MACHINE
from tests.verify.test_calibration import run
from tests.waiting import until


@pytest.fixture(autouse=True)
def this_machine(tmp_path, monkeypatch):
    """A known computer without a GPU, on which nothing was measured yet."""
    monkeypatch.setattr(HERE, "_found", replace(HERE.whole(), profile=MACHINE))
    monkeypatch.setattr(advisor.verification, "_this_machine", lambda: MACHINE)
    monkeypatch.setattr(calibration, "calibration_file", lambda: tmp_path / "calibration.json")


def speeds(app) -> list[str]:
    return [f"{row['speed']} {row['speed_mark']}".strip() for row in app.component("rows")["rows"] if row["speed"]]


def test_the_first_page(app):
    app.open("fit", machine="detected", context="4096")
    before = speeds(app)
    assert before
    assert not any("measured here" in said for said in (*before, app.captions))
    remember(run(generate=0.5))
    app.open("fit", machine="detected", context="4096")
    after = speeds(app)
    assert all(said.endswith(" tokens/s measured here") for said in after)
    assert len(after) == len(before)
    assert "speed is a forecast, corrected by what was measured here." in app.captions
    until(lambda: "Best for" in app.reasons, meanwhile=app.run)
    assert "tokens/s, measured here." in app.reasons
    forget()
    assert speeds(app.open("fit", machine="detected", context="4096")) == before


def test_another_machine_is_none_of_it(app):
    remember(run(generate=0.5))
    app.open("fit", machine="rtx-4090", context="4096")
    assert not any("measured here" in said for said in (*speeds(app), app.captions))


def test_the_recommendation(app):
    remember(run(generate=0.5))
    app.open("recommendation", machine="detected")
    until(lambda: "tokens/s (" in app.reasons, meanwhile=app.run)
    assert "measured here), " in app.reasons
    app.open("recommendation", machine="rtx-4090")
    until(lambda: "tokens/s (" in app.reasons, meanwhile=app.run)
    assert "measured here" not in app.reasons


def test_a_models_page(app):
    def generation() -> tuple[float, str]:
        app.open("model", model="llama-3.1-8b", machine="detected", context="4096")
        drawn = [json.loads(one.proto.json) for one in app.at.get("bidi_component") if one.proto.json]
        every = [number for data in drawn for number in data.get("numbers", ())]
        number = next(one for one in every if one["label"] == "Generation")
        return float(number["value"].removesuffix(" tokens/s")), number["note"]

    before, how = generation()
    assert how.endswith("typical")
    remember(run(generate=0.5))
    after, how = generation()
    assert how.endswith("measured here")
    assert after == pytest.approx(before / 2, rel=0.05)


@pytest.mark.engine
def test_where_it_can_be_forgotten(app):
    def known() -> set[str]:
        return {row[-1] for row in app.component("rows")["rows"][1:]}

    remember(run(generate=0.5))
    app.open("verify", model=str(smollm2()), context="512")
    assert known() == {"measured here, 2026-11-21"}
    assert "corrected by one run measured here, the last on 2026-11-21." in plain(app.captions)
    app.at.button(key="verify:forget").click()
    app.run()
    assert kept_runs() == ()
    assert known() == {"typical"}
    assert not [one for one in app.at.button if one.key == "verify:forget"]
