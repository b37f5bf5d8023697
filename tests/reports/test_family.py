"""Shared reports correct the forecasts for their kind of machine, and only when enough different people sent them."""

import pytest

from advisor.calibrated import best_calibration_mark, best_calibrations
from advisor.errors import StoreError
from advisor.estimate import estimate
from advisor.question import Question
from advisor.reports import family
from advisor.reports import store as store_module
from advisor.reports.family import KEPT_S, Families
from advisor.reports.store import maker_of, open_store
from advisor.settings import settings
from advisor.verify import calibration
from tests.reports.examples import measured
from tests.reports.test_community import sent_by, told_apart

MODELS = ("llama-3.1-8b", "qwen3-14b")
ADDRESSES = ("192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8:1::5")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_store_is_asked_once_in_a_while():
    asked, clock = [], Clock()
    kinds = lambda: asked.append("kinds") or {"rtx-4090"}  # noqa: E731
    known = Families(lambda machine: asked.append(machine) or told_apart(sent_by(["a", "b", "c"], factor=1.2)), kinds, clock)
    for _ in range(100):
        assert known.ratio("rtx-4090", 1, "llama.cpp").ratio == pytest.approx(1.2)
    assert known.ratio("rtx-3090", 1, "llama.cpp") is None
    assert asked == ["kinds", "rtx-4090"]
    clock.now = KEPT_S + 1
    known.ratio("rtx-4090", 1, "llama.cpp")
    assert asked == ["kinds", "rtx-4090"] * 2


def test_another_number_of_gpus_and_another_program_are_another_thing():
    known = Families(lambda _: told_apart(sent_by(["a", "b", "c"])), lambda: {"rtx-4090", "rtx-3090"})
    assert known.ratio("rtx-4090", 1, "llama.cpp") is not None
    assert known.ratio("rtx-4090", 2, "llama.cpp") is None
    assert known.ratio("rtx-4090", 1, "mlx") is None
    assert known.ratio("rtx-3090", 1, "llama.cpp") is None


def test_a_database_that_does_not_answer_leaves_forecasts_as_they_are():
    asked = []

    def fails(_):
        asked.append(1)
        raise StoreError("the database of reports cannot be used")

    for known in (Families(fails, lambda: {"rtx-4090"}), Families(lambda _: [], lambda: fails(None))):
        assert [known.ratio("rtx-4090", 1, "llama.cpp") for _ in range(3)] == [None] * 3
    assert len(asked) == 2


def test_not_more_kinds_are_kept_than_there_may_be():
    known = Families(lambda _: [], lambda: {f"m{number}" for number in range(1000)})
    for number in range(1000):
        known.ratio(f"m{number}", 1, "llama.cpp")
    assert len(known._found) <= 256


# --- with a store ------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """An empty store that is this process's own, and nothing measured here."""
    url = f"sqlite:///{tmp_path / 'reports.sqlite'}"
    monkeypatch.setenv("ADVISOR_DATABASE_URL", url)
    monkeypatch.setattr(calibration, "kept_runs", lambda path=None: ())
    clear()
    opened = open_store(url)
    yield opened
    opened.engine.dispose()
    monkeypatch.undo()
    clear()


def clear():
    for kept in (settings, store_module.store, family.families):
        kept.cache_clear()


def send(store, addresses, *, factor=1.25, machine="rtx-4090", listed=True):
    """A report of each model from each address, measured at `factor` times what is forecast."""
    for address in addresses:
        for model in MODELS:
            expected = forecast_of(model, machine).generate_tps.expected
            report = measured(model=model, machine=machine, tps=factor * expected, expected=expected)
            store.add(report, listed=listed, address=address)
    family.families.cache_clear()


def forecast_of(model="llama-3.1-8b", machine="rtx-4090", **fields):
    return estimate(Question(model=model, quant="Q4_K_M", machine=machine, ram_gib=64, **fields)).speed


def test_a_family_with_enough_reports_corrects_its_forecasts(shared):
    before = forecast_of()
    send(shared, ADDRESSES[:3])
    after = forecast_of()
    assert after.generate_tps.expected == pytest.approx(1.25 * before.generate_tps.expected, rel=0.001)
    assert after.generate_tps.low == pytest.approx(1.25 * before.generate_tps.low, rel=0.001)
    assert after.prompt_tps == before.prompt_tps
    assert after.grade == "typical"
    assert "Corrected by 6 shared reports of this family." in after.basis
    # A model that nobody reported is of the same machine.
    assert any("6 shared reports" in said for said in forecast_of("gemma-3-12b").basis)


@pytest.mark.parametrize("addresses", [ADDRESSES[:2], ["192.0.2.1"] * 20, ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"]])
def test_fewer_than_three_people_say_nothing(shared, addresses):
    before = forecast_of()
    send(shared, addresses)
    assert forecast_of() == before


def test_one_address_does_not_move_the_others(shared):
    send(shared, ADDRESSES[:3], factor=1.1)
    honest = forecast_of()
    send(shared, ["203.0.113.9"] * 15, factor=1.6)
    assert forecast_of().generate_tps.expected == pytest.approx(honest.generate_tps.expected, rel=0.02)


def test_reports_that_stand_out_say_nothing(shared):
    before = forecast_of()
    # Faster than its memory could read the weights.
    send(shared, ADDRESSES, factor=1.95)
    assert forecast_of() == before


def test_other_machines_and_places_are_not_touched(shared):
    questions = [{"machine": "rtx-3090"}, {"gpu_layers": 10}, {"gpus": 2}]
    before = [forecast_of(**question) for question in questions]
    send(shared, ADDRESSES[:3])
    assert [forecast_of(**question) for question in questions] == before


def test_unlisted_reports_count_at_home_only(shared, monkeypatch):
    before = forecast_of()
    send(shared, ADDRESSES[:3], listed=False)
    assert forecast_of() != before
    monkeypatch.setenv("ADVISOR_HOSTED", "1")
    settings.cache_clear()
    family.families.cache_clear()
    assert forecast_of() == before


def test_a_run_of_ones_own_goes_first(shared, monkeypatch):
    send(shared, ADDRESSES[:3])
    answer = estimate(Question(model="llama-3.1-8b", quant="Q4_K_M", machine="rtx-4090", ram_gib=64))
    own = object()
    monkeypatch.setattr("advisor.calibrated.calibrations_of", lambda _: lambda plan: own)
    assert best_calibrations(answer.machine)(answer.plan) is own


def test_kept_answers_know_when_the_ratio_changes(shared):
    machine = estimate(Question(model="llama-3.1-8b", machine="rtx-4090")).machine
    before = best_calibration_mark(machine)
    send(shared, ADDRESSES[:3])
    after = best_calibration_mark(machine)
    assert before == ""
    assert after != before
    assert best_calibration_mark(machine) == after


def test_no_database_is_made_to_ask_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("ADVISOR_DATABASE_URL", raising=False)
    clear()
    forecast_of()
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_mark_is_of_a_customers_network_and_tells_nothing_of_it():
    assert maker_of("2001:db8:1::5") == maker_of("2001:db8:1::6") != maker_of("2001:db8:2::5")
    assert maker_of("::ffff:192.0.2.1") == maker_of("192.0.2.1")
    assert maker_of(None) is None
    marks = {maker_of(f"10.{a}.{b}.1") for a in range(256) for b in range(256)}
    assert len(marks) == 4096


# --- this user's own database ---------------------------------------------------------------------


@pytest.mark.parametrize(("reports", "kinds"), [(0, 0), (1, 0), (family.LEAST_REPORTS, 1)])
def test_a_database_with_few_reports_does_not_load_the_store(tmp_path, monkeypatch, reports, kinds):
    monkeypatch.setattr(family, "data_folder", lambda: tmp_path)
    monkeypatch.delenv("ADVISOR_DATABASE_URL", raising=False)
    clear()
    opened = open_store(f"sqlite:///{tmp_path / 'reports.sqlite'}")
    for number in range(reports):
        opened.add(measured(tps=100.0 + number), listed=True)
    monkeypatch.setattr(store_module, "store", lambda: opened)
    family.families.cache_clear()
    assert len(family.families().kinds()) == kinds
    opened.engine.dispose()
    monkeypatch.undo()
    clear()


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 100])
def test_what_is_no_database_has_no_reports(tmp_path, monkeypatch, content):
    monkeypatch.setattr(family, "data_folder", lambda: tmp_path)
    if content is not None:
        (tmp_path / "reports.sqlite").write_bytes(content)
    assert family._own_reports() == 0
