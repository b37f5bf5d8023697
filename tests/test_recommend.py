"""`advisor recommend`: one answer with its reasons and commands, the same question always the same answer."""

import json
import shlex

import pytest

from advisor import recommend as module
from advisor.advice.purposes import PURPOSES
from advisor.advice.ranking import best_of_each
from advisor.errors import QuestionError
from advisor.models.library import Catalogue, catalogue
from advisor.question import RecommendQuestion
from advisor.recommend import Recommended, files_of, recommend
from tests.command import advisor
from tests.models.real_files import smollm2

FEW = ("qwen3-0.6b", "llama-3.1-8b", "qwen3-8b", "qwen3-32b", "gpt-oss-20b", "llama-3.3-70b", "apertus-8b")


@pytest.fixture(autouse=True)
def few_models(monkeypatch: pytest.MonkeyPatch) -> None:
    few = Catalogue(tuple(catalogue().find(name) for name in FEW))
    monkeypatch.setattr(module, "catalogue", lambda: few)


def asked(**fields: object) -> Recommended:
    return recommend(RecommendQuestion.parse(fields))


def test_the_answer_has_reasons_commands_and_alternatives() -> None:
    answer = asked(machine="rtx-4090", ram_gib=64)
    found = answer.recommendation
    assert found is not None
    assert found.sure
    assert any("spare" in said for said in found.why)
    assert any("tokens/s" in said for said in found.why)
    assert list(answer.commands) == ["llama-server", "llama-cli", "ollama", "lm-studio", "llama-bench"]
    assert f"-c {found.choice.plan.settings.context}" in answer.commands["llama-server"].text
    assert found.choice.model.id not in [each.option.model.id for each in found.alternatives]
    assert all(each.why_not.endswith(".") for each in found.alternatives)


def test_a_model_without_a_benchmark_is_never_the_choice_while_another_is_there() -> None:
    answer = asked(machine="rtx-4090", ram_gib=64)
    unknown = [one for one in answer.weighed if one.option.quality is not None and one.option.quality.score is None]
    assert unknown
    assert not any(one.advised for one in unknown)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_purpose_has_its_context(purpose: str) -> None:
    answer = asked(machine="m4-max-40", memory_gib=64, purpose=purpose)
    assert answer.recommendation is not None
    choice = answer.recommendation.choice
    trained = choice.model.quantized(choice.quantization).hyperparameters.context_length or 0
    assert choice.plan.settings.context == min(PURPOSES[purpose].context, -(-trained // 256) * 256)  # type: ignore[index]


def test_a_wish_for_speed_moves_the_choice_to_a_faster_file() -> None:
    slow = asked(machine="m4-max-40", memory_gib=64, min_tps=1)
    fast = asked(machine="m4-max-40", memory_gib=64, min_tps=60)
    assert slow.recommendation is not None
    assert fast.recommendation is not None
    assert fast.recommendation.choice.speed is not None
    assert fast.recommendation.choice.speed.generate_tps is not None
    assert fast.recommendation.choice.speed.generate_tps.expected >= 60
    assert slow.recommendation.choice.speed is not None
    assert slow.recommendation.choice.speed.generate_tps is not None
    assert slow.recommendation.choice.speed.generate_tps.expected < 60


def test_one_model_gets_its_best_file() -> None:
    answer = asked(model="llama-3.1-8b", machine="rtx-4090")
    assert {one.option.model.id for one in answer.weighed} == {"llama-3.1-8b"}
    assert answer.recommendation is not None
    assert answer.recommendation.choice.quantization in ("Q8_0", "Q6_K")
    assert len(best_of_each(answer.weighed)) == 1


def test_the_same_question_gets_the_same_answer() -> None:
    first, second = (asked(machine="rtx-3060-12gb", ram_gib=32).to_json() for _ in range(2))
    assert first == second


def test_a_file_is_recommended_by_its_path() -> None:
    path = str(smollm2())
    answer = asked(model=path, machine="rtx-4090")
    assert answer.recommendation is not None
    assert shlex.split(answer.commands["llama-server"].text)[:3] == ["llama-server", "-m", path]


def test_official_and_well_known_repositories_come_first() -> None:
    gpt, qwen = catalogue().find("gpt-oss-20b"), catalogue().find("qwen3-32b")
    assert files_of(gpt, "MXFP4_MOE").gguf_repo == "ggml-org/gpt-oss-20b-GGUF"
    assert files_of(gpt, "Q8_0").gguf_repo == "unsloth/gpt-oss-20b-GGUF"
    assert files_of(qwen, "Q4_K_M").gguf_repo == "unsloth/Qwen3-32B-GGUF"


def test_what_does_not_run_says_what_would() -> None:
    answer = asked(model="llama-3.3-70b", quant="Q4_K_M", machine="m2-8", memory_gib=8)
    assert answer.recommendation is None
    assert answer.refused is not None
    assert answer.refused.verdict.verdict == "no"
    json.dumps(answer.to_json())


def test_the_command_answers_as_the_contract_says() -> None:
    done = advisor("recommend", "llama-3.1-8b", "--machine", "rtx-4090", "--json")
    answer = json.loads(done.out)
    assert {"schema", "machine", "choice", "why", "commands", "alternatives"} <= set(answer)
    assert answer["choice"]["model"]["id"] == "llama-3.1-8b"
    assert set(answer["commands"]) >= {"llama-server", "ollama"}


@pytest.mark.parametrize("words", [(), ("llama-3.1-8b", "--best")])
def test_a_model_or_the_best_of_all(words: tuple[str, ...]) -> None:
    done = advisor("recommend", *words, "--machine", "rtx-4090")
    assert done.code == 2
    assert "name one model, or ask for --best of all" in done.err


def test_an_unknown_model_is_said() -> None:
    with pytest.raises(QuestionError, match="no model"):
        asked(model="no-such-model", machine="rtx-4090")
