"""Pages of several machines: side by side, and those that run one model."""

from tests.pages.conftest import App, plain


def test_machines_of_the_address_are_compared(app: App) -> None:
    app.open("compare", machines="rtx-4060,m4-max-40@128", context="8192")
    assert app.at.multiselect[0].value == ["rtx-4060", "m4-max-40@128"]
    assert "first ten models, with 8k tokens" in app.captions
    app.at.multiselect[0].set_value(["rtx-4060"])
    app.run()
    assert app.at.query_params["machines"] in ("rtx-4060", ["rtx-4060"])


def test_a_machine_that_is_not_known_is_said_and_left_out(app: App) -> None:
    app.open("compare", machines="rtx-9999,rtx-4060", context="8192")
    assert app.at.multiselect[0].value == ["rtx-4060"]
    assert 'There is no machine "rtx-9999"' in plain(app.at.warning[0].value)


def test_without_machines_the_page_asks(app: App) -> None:
    app.open("compare", machines="rtx-4060", context="8192")
    app.at.multiselect[0].set_value([])
    app.run()
    assert app.at.info[0].value == "Choose machines to compare."


def test_which_machine_answers_in_words(app: App) -> None:
    app.open("which", model="llama-3.1-8b", quant="Q4_K_M", context="8192")
    said = plain(app.at.markdown[0].value)
    assert said.startswith("**Llama 3.1 8B in Q4_K_M (4.58 GiB) runs whole on")
    assert "machines.** The smallest is" in said


def test_which_machine_without_an_answer(app: App) -> None:
    app.open("which", model="deepseek-r1-671b", quant="F32", context="131072")
    assert "No machine of the list runs" in app.at.markdown[0].value


def test_an_unknown_model_is_said(app: App) -> None:
    app.open("which", model="no-such-model")
    assert "Shown instead: Llama 3.3 70B" in plain(app.at.warning[0].value)


def test_a_speed_that_no_machine_reaches_is_said_as_that(app: App) -> None:
    app.open("which", model="llama-3.1-8b", quant="Q4_K_M", min_tps="999")
    said = plain(app.at.markdown[0].value)
    assert said.startswith("**No machine of the list runs Llama 3.1 8B in Q4_K_M (4.58 GiB) whole at 999 tokens/s or more.**")
    assert said.endswith("Ask for less speed, or try a smaller file.")
