"""The figure of a run over time."""

from advisor.figures.memory import key_of
from advisor.figures.verify import timeline, timeline_text
from tests.verify.runs import GIB, measurement

SAMPLES = measurement().measurement.samples


def test_what_was_held_is_stacked_over_seconds():
    figure = timeline(SAMPLES, 5 * GIB)
    assert [(trace["name"], trace["x"], trace["y"]) for trace in figure["data"]] == [
        ("Pages of the file", [0.0, 0.5, 1.0, 9.0], [0, 2, 4, 4]),
        ("The run's own memory", [0.0, 0.5, 1.0, 9.0], [0, 1, 1, 1]),
    ]
    assert figure["layout"]["yaxis"]["range"] == [0, 5 * 1.3]
    assert [name for name, _, _ in key_of(figure)] == ["Pages of the file", "The run's own memory", "Planned in all (dashed)"]


def test_stages_have_grounds_and_those_with_room_have_names():
    layout = timeline(SAMPLES, None)["layout"]
    assert [note["text"] for note in layout["annotations"]] == ["loading", "prompt"]
    assert [(shape["x0"], shape["x1"]) for shape in layout["shapes"]] == [(1.0, 9.0)]


def test_a_small_run_is_drawn_in_mib_and_an_empty_one_at_all():
    small = [sample.model_copy(update={"file_bytes": 2**20, "anonymous_bytes": 0}) for sample in SAMPLES]
    assert timeline(small, None)["layout"]["yaxis"]["ticksuffix"] == " MiB"
    assert timeline([], None)["data"] == []


def test_in_words():
    assert timeline_text(SAMPLES) == (
        "Memory of the run over time. Loading the model from 0 s: up to 3.00 GiB. Processing prompts from 1 s: up to 5.00 GiB. "
        "Generating from 9 s: up to 5.00 GiB."
    )
