"""A run on a page: what is checked before it, its progress, and what came of it."""

import shlex

import streamlit as st

from advisor.errors import HeadroomError
from advisor.figures.memory import key_of
from advisor.figures.verify import timeline, timeline_text
from advisor.models.library import catalogue
from advisor.question import VerifyQuestion
from advisor.ui.chart import chart
from advisor.ui.inert import inert
from advisor.ui.state import draw_again
from advisor.ui.tables import legend, table
from advisor.units import format_size
from advisor.verification import LLAMA_CPP, Verification
from advisor.verify.check import Answer
from advisor.verify.compare import compare, headline, left_words, stage_words
from advisor.verify.conclusion import Looked
from advisor.verify.measurement import Failure, Measurement, Range
from advisor.words import sentence

_LOOK_AGAIN_S = 0.5
_ANSWERS: dict[Answer, str] = {"go": "It fits and can run", "ask": "It is tight", "refuse": "It does not fit now"}
_LINES = 30
_UNKNOWN = 0.1
"""How much of the bar is filled at most while nobody knows how long it will take."""


def check_view(looked: Looked) -> None:
    """What was looked at before the run, and what it is expected to come to."""
    st.subheader(_ANSWERS[looked.check.answer], anchor=False)
    for said in looked.check.sentences[:4]:
        st.markdown(inert(said))
    rows = []
    if looked.plan is not None:
        rows.append(["Memory in all", format_size(looked.check.needs_bytes), looked.plan.grade])
    if (forecast := looked.forecast) is not None:
        known = "typical" if looked.calibration is None else f"measured here, {looked.calibration.measured_at}"
        rows += [
            [name, _range(found, unit), known]
            for name, found, unit in (
                ("Generation", forecast.generate_tps, "tokens/s"),
                ("Reading a prompt", forecast.prompt_tps, "tokens/s"),
                ("First word after", forecast.time_to_first_token_s, "s"),
            )
            if found is not None
        ]
    if rows:
        table(("What", "Predicted", "How it is known"), rows, key="verify_predicted", kinds=["", "right", "faint"], stack=True)
    if looked.request.backend == "http":
        st.caption(inert(" ".join(looked.notes)))


def progress_view(run: Verification) -> None:
    """Where the run is, drawn again by itself; the page is drawn anew when it has ended."""

    @st.fragment(run_every=_LOOK_AGAIN_S)
    def progress() -> None:
        now = run.job.progress
        if now.ended:
            draw_again()
        elapsed, left = run.job.elapsed_s, left_words(now.left_s)
        share = (now.done or 0.0) * _UNKNOWN if now.left_s is None else elapsed / max(elapsed + now.left_s, 1e-3)
        st.progress(min(share, 1.0), text=f"{inert(stage_words(now))}{f' · {left}' if left else ''}")

    st.header(inert(f"Running {run.job.name}"), anchor=False)
    progress()
    st.caption("One run at a time on this computer. It ends by itself before memory runs out.")
    if st.button("Cancel", icon=":material/stop_circle:", key="verify:cancel"):
        run.job.cancel()
        run.job.wait(2)
        draw_again()


def result_view(measurement: Measurement) -> None:
    """Predicted beside measured in words and numbers, the run over time, and what went wrong."""
    st.header(inert(headline(measurement)), anchor=False)
    model, run = measurement.model, measurement.run
    st.caption(inert(f"{model.name} {model.quantization or ''}, {run.engine or run.backend}, on {measurement.machine.name}"))
    for failure in measurement.failures:
        _failure(failure)
    for note in run.notes:
        st.warning(inert(note))
    rows = compare(measurement)
    if rows:
        table(
            ("", "From slices" if measurement.by_slices else "Measured", "Predicted", "In words"),
            [[row.name, row.measured_shown(), f"we said {row.predicted_shown()}", row.words] for row in rows],
            key="verify_compared",
            stack=True,
        )
    figures = measurement.measurement
    if figures is not None and figures.samples:
        st.subheader("Memory over time", anchor=False)
        whole = measurement.plan if not measurement.by_slices else None
        planned = None if whole is None else sum(pool.total_bytes for pool in whole.pools)
        lines = timeline(figures.samples, planned)
        legend(key_of(lines), key="verify_legend")
        chart(lines, key="verify_timeline", alt=timeline_text(figures.samples))
    st.caption(inert(_how(measurement)))


def home_view(question: VerifyQuestion) -> Measurement | None:
    """Where nothing runs on the host: the command to run at home, and the way back for its result."""
    st.header("Run it at home", anchor=False)
    st.markdown("This page is served from elsewhere, and runs nothing for you. Install Headroom on your computer and run:")
    st.code(home_command(question), language=None, wrap_lines=True)
    if not question.slice and question.backend == LLAMA_CPP and _is_of_catalogue(question.model):
        st.markdown("To know its speed before you download it, measure a slice of it, which downloads nothing:")
        st.code(home_command(question.model_copy(update={"slice": True})), language=None, wrap_lines=True)
    st.markdown("Then show the result here. It is read in this page and kept nowhere.")
    file = st.file_uploader("The file with the result", type=["json"], key="verify:file", max_upload_size=2)
    text = st.text_area("Or paste it", key="verify:paste", height=120, placeholder='{"schema": 1, ...')
    given = file.getvalue() if file is not None else text.strip()
    if not given:
        return None
    try:
        return Measurement.parse(given)
    except HeadroomError as error:
        st.warning(inert(f"{error}"))
        return None


def home_command(question: VerifyQuestion) -> str:
    """The command that asks the same at home and keeps the answer in a file."""
    options = {
        "quant": question.quant,
        "backend": question.backend if question.backend != "llama-cpp" else None,
        "runtime": question.runtime if question.runtime != "llama-server" else None,
        "context": question.context,
        "slots": question.slots,
        "gpu-layers": question.gpu_layers,
        "type-k": question.type_k,
        "type-v": question.type_v,
        "ubatch": question.ubatch,
        "flash-attention": question.flash_attention,
        "threads": question.threads,
    }
    words = ["advisor", "verify", question.model]
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", f"{value}"]
    return f"{shlex.join([*words, *(['--slice'] if question.slice else []), '--json'])} > result.json"


def _is_of_catalogue(name: str) -> bool:
    try:
        catalogue().find(name)
    except HeadroomError:
        return False
    return True


def _failure(failure: Failure) -> None:
    st.error(inert(sentence(failure.message)))
    if failure.log:
        with st.expander("The last lines of its log"):
            st.code("\n".join(failure.log[-_LINES:]), language=None)


def _range(found: Range, unit: str) -> str:
    def number(value: float) -> str:
        return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"

    return f"{number(found.expected)} {unit} ({number(found.low)} to {number(found.high)})"


def _how(measurement: Measurement) -> str:
    run = measurement.run
    said = [f"Measured on {run.started_at:%Y-%m-%d} in {run.seconds:.0f} s"]
    if run.prompt_tokens and run.generated_tokens:
        said.append(f"prompts of {run.prompt_tokens} tokens and answers of {run.generated_tokens}, {run.repeats} times each")
    if run.threads:
        said.append(f"{run.threads} threads")
    figures = measurement.measurement
    basis = f" Memory: {figures.memory.basis}." if figures is not None and figures.memory.basis else ""
    return f"{', '.join(said)}.{basis}"
