"""`advisor report`: list, show, export, import, delete."""

import json

import pytest

from tests.command import advisor
from tests.reports.examples import run_document


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("ADVISOR_DATABASE_URL", f"sqlite:///{tmp_path / 'reports.sqlite'}")


def test_a_report_goes_in_and_out(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run_document()))
    assert "No report is kept here yet" in advisor("report", "list").out
    id_ = advisor("report", "import", str(tmp_path / "run.json")).out.split()[0]
    assert "kept already" in advisor("report", "import", str(tmp_path / "run.json")).out
    assert id_ in advisor("report", "list").out
    shown = advisor("report", "show", f"http://localhost:8501/r/{id_}", columns=60)
    assert "120 tokens/s measured, 115 predicted." in shown.out
    assert max(map(len, shown.out.splitlines())) <= 60
    assert json.loads(advisor("report", "show", id_, "--json").out)["model"]["id"] == "llama-3.1-8b"
    advisor("report", "export", id_, str(tmp_path / "out.json"))
    advisor("report", "export", id_, str(tmp_path / "out.md"))
    assert (tmp_path / "out.md").read_text().startswith("## Llama 3.1 8B")
    assert advisor("report", "delete", id_).out == "Deleted.\n"
    again = advisor("report", "import", "-", stdin=(tmp_path / "out.json").read_bytes()).out.split()[0]
    assert again != id_
    [row] = json.loads(advisor("report", "list", "--json").out)["reports"]
    assert (row["id"], row["generate_tps"]) == (again, 120.0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nothing"), 2, 'there is no report "nothing" here'),
        (("delete", "2" * 16), 2, "there is no report"),
        (("import", "/nowhere.json"), 3, "there is no file"),
        (("import", "/"), 2, "cannot be read"),
        (("export", "2" * 16, "/nowhere/x"), 2, "there is no report"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, code, said):
    done = advisor("report", *arguments)
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert said in done.err


def test_what_is_no_report_is_one_line(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    done = advisor("report", "import", str(tmp_path / "x.json"))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "not a report of Headroom" in done.err


def test_a_database_that_is_gone_is_one_line(monkeypatch):
    monkeypatch.setenv("ADVISOR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    done = advisor("report", "list")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "cannot be used" in done.err
