import json

import pytest

from advisor.machines.bandwidth import BandwidthMeasurement


def facts(app):
    table = next(data for data in tables(app) if data["columns"][1] == "Value")
    return {row[0]: row[1:] for row in table["rows"]}


def tables(app):
    found = (json.loads(element.proto.json) for element in app.at.get("bidi_component") if element.proto.json)
    return [data for data in found if "columns" in data]


def test_this_machine_with_how_it_was_found(app):
    app.open("machine")
    assert "This machine, as detected." in app.captions
    assert facts(app)["System memory"][0] != "unknown"
    assert tables(app)[-1]["columns"] == ["Looked at", "For", "Answer", "Took"]
    assert app.address == {"machine": "detected"}


def test_a_machine_of_the_library_says_its_sources(app):
    app.open("machine", machine="rtx-4090")
    assert app.heading.startswith("NVIDIA GeForce RTX 4090, 24 GiB")
    assert facts(app)["Memory as sold"][0] == "24.0 GiB"
    assert facts(app)["GPU bandwidth"][0] == "1008 GB/s"
    assert facts(app)["GPU bandwidth"][1]
    assert len(tables(app)) == 1


def test_numbers_can_be_changed(app):
    app.open("machine", machine="rtx-4090")
    app.at.number_input(key="machine:gpus").set_value(2)
    app.at.number_input(key="machine:ram").set_value(128.0)
    app.at.number_input(key="machine:bandwidth").set_value(900.0)
    app.run()
    assert app.address == {"machine": "rtx-4090", "gpus": "2", "ram_gib": "128", "bandwidth_gb_s": "900"}
    assert facts(app)["GPUs 1 to 2, each"][0] == "NVIDIA GeForce RTX 4090"
    assert facts(app)["GPU bandwidth"] == ["900 GB/s", "given by the user"]


def test_equal_gpus_are_told_once(app):
    app.open("machine", machine="4x-rtx-3090")
    names = [row[0] for row in tables(app)[0]["rows"]]
    assert names[0] == "GPUs 1 to 4, each"
    assert names.count("GPU bandwidth") == 1


def test_the_detected_machine_can_be_changed_too(app):
    app.open("machine")
    app.at.number_input(key="machine:memory").set_value(12.0)
    app.run()
    assert app.address == {"machine": "detected", "memory_gib": "12"}
    assert facts(app)["System memory"][1] != "the operating system"


def test_a_mac_is_asked_for_its_memory(app):
    app.open("machine", machine="m4-max-40")
    sizes = app.at.selectbox(key="machine:sold").options
    assert "128 GiB" in sizes
    app.at.selectbox(key="machine:sold").select(128.0)
    app.run()
    assert app.address == {"machine": "m4-max-40", "memory_gib": "128"}
    assert "sudo sysctl iogpu.wired_limit_mb" in app.at.code[0].value


@pytest.mark.parametrize("machine", ["m1-7", "strix-halo-395"])
def test_the_limit_of_a_gpu_is_said_once(app, machine):
    app.open("machine", machine=machine)
    assert "sudo " in app.at.code[0].value or "ttm" in app.at.code[0].value
    assert app.at.code[0].value not in app.captions
    assert ("an older one gives less" in app.reasons) == (machine == "m1-7")


def test_notes_name_no_option_of_the_command(app):
    for machine in ("mi250x", "b200", "4x-mi50-16gb"):
        app.open("machine", machine=machine)
        assert "--" not in app.captions


def test_a_size_out_of_an_address_that_was_never_sold_stays(app):
    app.open("machine", machine="m2-8", memory_gib="20")
    assert app.address["memory_gib"] == "20"
    app.run()
    assert app.address["memory_gib"] == "20"
    assert "sold with 8, 16 or 24 GiB" in app.captions


def test_bandwidth_is_measured_only_when_asked_for(app, monkeypatch):
    measured = BandwidthMeasurement(31.42, 30.0, 32.0, 2, 2**28, 2**25, 9, True)
    monkeypatch.setattr("advisor.ui.machine_view.measure_bandwidth", lambda: measured)
    app.open("machine")
    assert "GB/s** (" not in app.reasons
    app.at.button(key="measure").click()
    app.run()
    assert "Measured here: **31.4 GB/s**" in app.reasons
    app.at.button(key="use_measured").click()
    app.run()
    assert app.address["bandwidth_gb_s"] == "31.4"


@pytest.mark.parametrize(
    ("query", "said"), [({"machine": "abacus"}, "There is no machine"), ({"gpus": "0"}, 'gpus "0" is not right')]
)
def test_a_wrong_machine_is_said_and_this_one_is_shown(app, query, said):
    app.open("machine", **query)
    assert len(app.warnings) == 1
    assert said in app.warnings[0]
    assert "This machine, as detected." in app.captions
