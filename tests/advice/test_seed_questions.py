"""The questions that this product was begun for, each with the answer that we stand by and why."""

import pytest

from advisor.estimate import Estimate, estimate
from advisor.question import Question, RecommendQuestion
from advisor.recommend import Recommended, recommend
from advisor.units import GIB


def asked(**fields: object) -> Estimate:
    return estimate(Question.parse(fields))


def best(**fields: object) -> Recommended:
    return recommend(RecommendQuestion.parse(fields))


def warned(result: Estimate) -> bool:
    assert result.verdict is not None
    return any("Close what is not needed" in reason or "too little" in reason for reason in result.verdict.reasons)


class TestLlama2OnAnEightGigabyteMac:
    """Somebody froze such a Mac with a 7B file of 5 bits. macOS and programs hold about 2.7 GiB of the 8."""

    @pytest.mark.parametrize("quant", ["Q2_K", "Q4_0"])
    def test_q2_k_and_q4_0_run(self, quant: str) -> None:
        # 2.4 and 3.6 GiB of weights, 1 GiB of cache at 2,048 tokens (32 layers of 32 full heads): they leave 3 GiB and more.
        result = asked(model="llama-2-7b", quant=quant, machine="m2-8", memory_gib=8, context=2048)
        assert result.verdict is not None
        assert result.verdict.verdict in ("fits", "tight", "partial")
        assert not warned(result)

    def test_q5_k_m_is_warned_against(self) -> None:
        # 4.5 GiB of weights and 2 GiB of cache at the model's 4,096 tokens: 1.1 GiB would be left to everything else.
        result = asked(model="llama-2-7b", quant="Q5_K_M", machine="m2-8", memory_gib=8, context=4096)
        assert result.verdict is not None
        assert result.verdict.verdict != "fits"
        assert warned(result)
        # The same file is never recommended there, and the advice names one that runs.
        answer = best(model="llama-2-7b", quant="Q5_K_M", machine="m2-8", memory_gib=8)
        assert answer.recommendation is None
        assert answer.refused is not None
        assert [change.quantization for change in answer.changes if change.kind == "quantization"] == ["Q2_K"]


def test_r1_in_one_bit_on_a_128_gigabyte_mac_runs_with_most_layers_on_the_gpu() -> None:
    # 671B in IQ1_S with 4-bit keys and values at 8k: about 125 of 128 GiB. The attention of all 61 layers fits the GPU, the
    # experts of some of them do not: it is said to be no plan to rely on.
    result = asked(
        model="deepseek-r1-671b", quant="IQ1_S", machine="m4-max-40", memory_gib=128, context=8192, type_k="q4_0", type_v="q4_0"
    )
    assert result.verdict is not None
    assert result.verdict.verdict in ("partial", "tight", "no")
    layers = result.plan.settings.gpu_layers
    assert isinstance(layers, int)
    assert layers + result.plan.settings.cpu_moe_layers >= 50
    assert warned(result)


class TestSeventyBillionOrThirtyTwoOnSixtyFourGigabytes:
    """A developer's choice on an M4 Max with 64 GB."""

    def test_both_fit_and_neither_is_read_as_fast_as_wished(self) -> None:
        large = asked(model="llama-3.3-70b", quant="Q4_K_M", machine="m4-max-40", memory_gib=64)
        small = asked(model="qwen3-32b", quant="Q8_0", machine="m4-max-40", memory_gib=64)
        assert large.verdict is not None
        assert small.verdict is not None
        assert (large.verdict.verdict, small.verdict.verdict) == ("fits", "fits")
        assert large.speed is not None
        assert small.speed is not None
        assert large.speed.generate_tps is not None
        assert small.speed.generate_tps is not None
        # 39.6 GiB against 32.4 GiB read for each token at 546 GB/s.
        assert 7 <= large.speed.generate_tps.expected < small.speed.generate_tps.expected <= 16

    def test_the_younger_32b_is_the_better_advice(self) -> None:
        # Measured scores put Qwen3 32B above Llama 3.3 70B, which is older; of its files one of 4 to 6 bits is fast enough.
        answer = best(machine="m4-max-40", memory_gib=64)
        assert answer.recommendation is not None
        scores = {one.option.model.id: one.worth for one in reversed(answer.weighed)}
        assert scores["qwen3-32b"] > scores["llama-3.3-70b"]
        assert answer.recommendation.sure
        assert 20e9 <= answer.recommendation.choice.model.parameters <= 60e9


DISTILLS = ("qwen-1.5b", "qwen-7b", "llama-8b", "qwen-14b", "qwen-32b", "llama-70b")
LARGEST = {
    # memory of the Mac: the largest R1 distill in Q4_K_M with 8k tokens that lies whole on its GPU with a margin
    ("m2-8", 8): "qwen-1.5b",  # the 7B needs 5.2 GiB of 8, of which the GPU may take 5.3: too near for a margin
    ("m4-10", 16): "qwen-14b",  # 10.3 GiB of 11.8 for the GPU
    ("m4-pro-20", 24): "qwen-14b",  # the 32B needs 20.9 GiB, the GPU may take 17.8
    ("m4-10", 32): "qwen-32b",  # 20.9 GiB of 25
    ("m4-max-40", 64): "llama-70b",  # 42.6 GiB of 51.8
    ("m4-max-40", 128): "llama-70b",
}


@pytest.mark.parametrize(("mac", "largest"), LARGEST.items(), ids=[f"{name}-{size}" for name, size in LARGEST])
def test_the_six_distills_on_macs(mac: tuple[str, int], largest: str) -> None:
    name, size = mac
    fitting = []
    for distill in DISTILLS:
        result = asked(model=f"deepseek-r1-distill-{distill}", quant="Q4_K_M", machine=name, memory_gib=size, context=8192)
        assert result.verdict is not None
        if result.verdict.verdict == "fits":
            fitting.append(distill)
    assert fitting == list(DISTILLS[: DISTILLS.index(largest) + 1])


@pytest.mark.parametrize(("rig", "gpus"), [("8x-rtx-2080-ti-22gb", 8), ("4x-rtx-3090", 4)])
def test_rigs_hold_70b_whole_and_get_a_sure_answer(rig: str, gpus: int) -> None:
    # 176 and 96 GB: a 70B in 8 bits (70 GiB) lies whole on either.
    held = asked(model="llama-3.3-70b", quant="Q8_0", machine=rig, ram_gib=128, context=8192)
    assert held.verdict is not None
    assert held.verdict.verdict == "fits"
    assert sum(device.kind == "gpu" and device.weights_bytes > 0 for device in held.plan.devices) == gpus
    answer = best(machine=rig, ram_gib=128)
    assert answer.recommendation is not None
    assert answer.recommendation.sure
    assert answer.recommendation.choice.verdict.verdict == "fits"
    assert answer.recommendation.choice.model.parameters >= 20e9
    assert not answer.recommendation.choice.strongly_compressed


def test_gguf_beside_mlx_on_one_mac() -> None:
    # Both hold 4 bits a weight with scales: alike in memory to a few hundred MiB, alike in speed to a third.
    gguf = asked(model="qwen3-8b", quant="Q4_K_M", machine="m4-max-40", memory_gib=64)
    mlx = asked(model="qwen3-8b", quant="mlx-4bit", runtime="mlx", machine="m4-max-40", memory_gib=64)
    assert abs(gguf.plan.total_bytes - mlx.plan.total_bytes) < GIB
    assert gguf.speed is not None
    assert mlx.speed is not None
    assert gguf.speed.generate_tps is not None
    assert mlx.speed.generate_tps is not None
    assert 1.0 < mlx.speed.generate_tps.expected / gguf.speed.generate_tps.expected < 1.5


def test_a_card_of_five_gigabytes() -> None:
    # Up to 4B whole on the card, or a 9B with half of its layers in system memory; with 8 GiB of that, nothing larger.
    answer = best(gpus=1, memory_gib=5, bandwidth_gb_s=300, ram_gib=8)
    assert answer.recommendation is not None
    choice = answer.recommendation.choice
    assert choice.verdict.verdict in ("fits", "partial")
    assert not choice.verdict.tight
    assert 3e9 <= choice.model.parameters <= 12e9
    assert choice.plan.devices[0].total_bytes <= 5 * GIB * 0.975
    assert choice.plan.host.total_bytes <= 4 * GIB


def test_a_raspberry_pi_5() -> None:
    # 17 GB/s: a model of 2 to 4 billion weights is as much as can be read along.
    answer = best(machine="rpi-5-8gb")
    assert answer.recommendation is not None
    choice = answer.recommendation.choice
    assert choice.verdict.verdict == "fits"
    assert (choice.model.active_parameters or choice.model.parameters) <= 5e9
    assert any("swap" in said for said in answer.recommendation.advice)
