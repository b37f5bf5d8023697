"""Which machine runs this model, and machines side by side."""

import pytest

from advisor import fit
from advisor.compare import compare, known_machines
from advisor.estimate import estimate
from advisor.models.library import Catalogue, catalogue
from advisor.question import CompareQuestion, Question, WhichQuestion
from advisor.which_machine import which_machine

FEW = ("llama-3.1-8b", "llama-3.3-70b", "gpt-oss-20b")


@pytest.fixture
def few_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "catalogue", lambda: Catalogue(tuple(catalogue().find(name) for name in FEW)))


def test_machines_come_smallest_first_and_all_of_them_hold_the_model() -> None:
    found = which_machine(WhichQuestion(model="llama-3.1-8b", quant="Q4_K_M", context=8192))
    sizes = [holder.sold.memory_bytes or 0 for holder in found.holders]
    assert sizes == sorted(sizes)
    ids = {holder.sold.id for holder in found.holders}
    # 4.7 GiB of weights, 1 GiB of cache: an 8 GB card has room, an 8 GB Mac does not give its GPU that much for sure.
    assert "rtx-4060" in ids
    assert all(holder.verdict == "tight" for holder in found.holders if holder.sold.id == "m2-8@8")
    assert "m2-8@16" in ids
    assert min(sizes) >= 6 * 2**30


@pytest.mark.parametrize("sold", ["rtx-4090", "m4-pro-20@48", "2x-rtx-3090", "threadripper-pro-512gb"])
def test_a_machine_has_the_plan_of_the_model_page(sold: str) -> None:
    found = which_machine(WhichQuestion(model="gpt-oss-20b", context=8192))
    holder = next(each for each in found.holders if each.sold.id == sold)
    name, _, size = sold.partition("@")
    layers = "all" if holder.sold.machine.gpus else 0
    fields = {"model": "gpt-oss-20b", "machine": name, "context": 8192, "gpu_layers": layers}
    asked = estimate(Question.parse(fields | ({"memory_gib": float(size)} if size else {})))
    assert [each.total_bytes for each in holder.plan.devices] == [each.total_bytes for each in asked.plan.devices]
    assert asked.verdict is not None
    assert holder.verdict == asked.verdict.verdict


def test_a_wish_for_speed_leaves_out_the_slow_and_the_unknown() -> None:
    everywhere = which_machine(WhichQuestion(model="llama-3.1-8b", quant="Q4_K_M"))
    fast = which_machine(WhichQuestion(model="llama-3.1-8b", quant="Q4_K_M", min_tps=100))
    assert 0 < len(fast.holders) < len(everywhere.holders)
    for holder in fast.holders:
        assert holder.speed is not None
        assert holder.speed.generate_tps is not None
        assert holder.speed.generate_tps.expected >= 100


def test_no_machine_is_an_answer() -> None:
    assert which_machine(WhichQuestion(model="deepseek-r1-671b", quant="F32", context=131072)).holders == ()


def test_side_by_side(few_models: None) -> None:
    sold, said = known_machines(CompareQuestion(machines="rtx-4060,m4-max-40@128"))
    assert said == ()
    shown = compare(sold, 8192)
    assert [each.id for each in shown.sold] == ["rtx-4060", "m4-max-40@128"]
    verdicts = {name: [option.verdict.verdict for option in options] for name, options in shown.rows}
    assert verdicts["Llama 3.3 70B"] == ["no", "fits"]
    assert verdicts["Llama 3.1 8B"] == ["fits", "fits"]
    assert [name for name, _ in shown.rows] == ["Llama 3.3 70B", "gpt-oss 20B", "Llama 3.1 8B"]


def test_machines_are_named_once_and_at_most_four() -> None:
    found, said = known_machines(CompareQuestion(machines="rtx-4090, rtx-4090,m2-8"))
    assert [each.id for each in found] == ["rtx-4090", "m2-8@8"]
    assert said == ()
    found, said = known_machines(CompareQuestion(machines="rtx-4090,rtx-3090,m2-8,tesla-p40,rtx-4060"))
    assert [each.id for each in found] == ["rtx-4090", "rtx-3090", "m2-8@8", "tesla-p40"]
    assert said == ("At most 4 machines are compared; the others are left out.",)
    found, said = known_machines(CompareQuestion(machines="rtx-4090,rtx-9999"))
    assert [each.id for each in found] == ["rtx-4090"]
    assert len(said) == 1
    assert 'There is no machine "rtx-9999"' in said[0]
