"""The store, on SQLite and on PostgreSQL alike."""

import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from advisor.errors import MissingPartError, QuestionError
from advisor.reports import store as store_module
from advisor.reports.migrating import FOLDER, HEAD, current
from advisor.reports.store import ID_LETTERS, is_id, open_store
from advisor.reports.summary import columns_of
from advisor.reports.tables import Base, ReportRow
from tests.reports.examples import measured, planned

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_kept_is_found(store):
    kept = store.add(measured(), listed=True)
    found = store.get(kept.id)
    assert found.report == measured()
    assert (found.id, found.listed, found.created_at.utcoffset().total_seconds()) == (kept.id, True, 0)


def test_a_report_that_many_read_is_checked_once(store):
    kept = store.add(measured())
    assert store.get(kept.id).report is store.get(kept.id).report
    assert store.get(store.add(measured(tps=99.0)).id).report == measured(tps=99.0)
    store.delete(kept.id, kept.token)
    assert store.get(kept.id) is None


def test_a_long_report_is_not_kept_in_memory(store, monkeypatch):
    monkeypatch.setattr(store_module, "_SHORT", 100)
    kept = store.add(measured())
    assert store.get(kept.id).report is not store.get(kept.id).report


def test_an_unknown_id_finds_nothing(store):
    store.add(planned())
    for id_ in ("2" * 16, "", "x", "../../etc/passwd", "' or 1=1 --", "\x00" * 16, "2" * 15 + "\u0660"):
        assert store.get(id_) is None


def test_ids_cannot_be_guessed(store):
    """Random letters of a large set, without any order."""
    ids = [store.add(planned()).id for _ in range(30)]
    assert all(is_id(id_) for id_ in ids)
    assert len({id_[:4] for id_ in ids}) == 30
    assert len(set("".join(ids))) > 50
    assert ids != sorted(ids)
    assert len(ID_LETTERS) ** 16 > 2**90


def test_only_its_maker_deletes_it(store):
    kept, other = store.add(planned()), store.add(planned())
    assert not store.delete(kept.id, other.token)
    assert not store.delete(kept.id, "")
    assert not store.delete("2" * 16, kept.token)
    assert store.get(kept.id) is not None
    assert store.delete(kept.id, kept.token)
    assert store.get(kept.id) is None
    assert not store.delete(kept.id, kept.token)


def test_the_token_is_nowhere_in_the_database(store):
    kept = store.add(planned())
    with store.engine.connect() as connection:
        whole = repr(connection.execute(text("select * from reports")).all())
    assert kept.id in whole
    assert kept.token not in whole


def test_lists_are_newest_first_and_public_ones_apart(store, monkeypatch):
    ids = []
    for second, listed in enumerate((True, False, True)):
        at = store_module.datetime(2026, 11, 21, 12, 0, second, tzinfo=store_module.UTC)
        monkeypatch.setattr(
            store_module, "datetime", type("Clock", (store_module.datetime,), {"now": classmethod(lambda *_, at=at: at)})
        )
        ids.append(store.add(measured(tps=100.0 + second), listed=listed).id)
        monkeypatch.undo()
    assert [row.id for row in store.summaries(listed_only=False)] == ids[::-1]
    assert [row.generate_tps for row in store.summaries(listed_only=True)] == [102.0, 100.0]
    assert [row.id for row in store.summaries(listed_only=False, limit=1, offset=1)] == [ids[1]]
    assert (store.count(listed_only=False), store.count(listed_only=True)) == (3, 2)


def test_a_summary_is_the_report_in_short(store):
    store.add(measured())
    [row] = store.summaries(listed_only=False)
    assert asdict(row).items() >= columns_of(measured()).items()
    assert row.kind == ("rtx-4090", 1, "llama-3.1-8b", "Q4_K_M")
    # 1008 GB/s of the card read 4,920,733,824 bytes at most 204.8 times a second; its system memory's bandwidth is not known.
    assert row.fastest_tps == pytest.approx(204.85, abs=0.1)


def test_the_same_report_is_known(store):
    assert store.same_as(planned()) is None
    kept = store.add(planned())
    assert store.same_as(planned()) == kept.id
    assert store.same_as(measured()) is None


def test_a_report_of_an_older_schema_is_raised_when_read(store, monkeypatch):
    from advisor.reports import stored

    kept = store.add(planned())
    old = json.loads(stored.canonical(planned())) | {"schema_version": 0}
    old["remark"] = old.pop("note") + "kept"
    with Session(store.engine) as session:
        session.execute(update(ReportRow).where(ReportRow.id == kept.id).values(document=json.dumps(old)))
        session.commit()
    monkeypatch.setitem(
        stored.UPGRADES, 0, lambda was: {("note" if name == "remark" else name): value for name, value in was.items()}
    )
    assert store.get(kept.id).report.note == "kept"


def test_many_write_at_once(store):
    kept, failed = [], []

    def write():
        try:
            kept.extend(store.add(planned()).id for _ in range(10))
        except Exception as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {row.id for row in store.summaries(listed_only=False)} == set(kept)
    assert len(kept) == 80


# --- killed in the middle ----------------------------------------------------------------------------


def _write_for_ever(url, acknowledged):
    """Keep reports and say the id of each one when it is kept, until killed."""
    opened = open_store(url)
    report = measured()
    while True:
        os.write(acknowledged, f"{opened.add(report).id}\n".encode())


@pytest.mark.slow
def test_what_was_acknowledged_outlives_kill_9(url):
    """Fifty writers are killed at fifty moments: nothing that was acknowledged is missing, and nothing is half."""
    measured()  # made once, before the forks
    open_store(url).engine.dispose()
    chance, said = random.Random(7), ""
    for _ in range(50):
        reading, writing = os.pipe()
        child = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(url, writing))
        child.start()
        os.close(writing)
        first = os.read(reading, 65536)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        while more := os.read(reading, 65536):
            first += more
        os.close(reading)
        said += first.decode()
    ids = set(said.split())
    assert len(ids) >= 50
    assert said.endswith("\n")
    opened = open_store(url)
    rows = opened.summaries(listed_only=False)
    # One report more a writer may be there: kept, and killed before it was said.
    assert ids <= {row.id for row in rows}
    assert len(rows) <= len(ids) + 50
    for row in rows:
        assert opened.get(row.id).report == measured()
    opened.engine.dispose()


# --- the tables themselves ----------------------------------------------------------------------------


def test_an_empty_database_is_made_and_a_ready_one_left(url):
    first = open_store(url)
    kept = first.add(planned())
    first.engine.dispose()
    second = open_store(url)
    with second.engine.connect() as connection:
        assert current(connection) == HEAD
    assert second.get(kept.id).report == planned()
    second.engine.dispose()


COUNT_REPORTS = """
import sys
from advisor.reports.store import open_store
print(open_store(sys.argv[1]).count(listed_only=False))
"""


@pytest.mark.slow
def test_several_processes_start_at_once(url):
    """Replicas: the first makes the tables, the others wait for it."""
    command = [sys.executable, "-c", COUNT_REPORTS, url]
    replicas = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [replica.communicate(timeout=120)[0] for replica in replicas] == ["0\n"] * 3


def test_migrations_end_at_the_tables_of_the_code(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_newest_migration_is_the_one_that_is_asked_for():
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(FOLDER)).get_heads() == [HEAD]


def test_migrations_go_back_and_forth(store):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with store.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert open_store(store.engine.url.render_as_string(hide_password=False)).count(listed_only=False) == 0


def test_sqlite_writes_through_to_the_disk(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'r.sqlite'}")
    with opened.engine.connect() as connection:
        assert connection.scalar(text("pragma journal_mode")) == "wal"
        assert connection.scalar(text("pragma synchronous")) == 2  # FULL
    opened.engine.dispose()


def test_without_an_address_it_is_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "data_folder", lambda: tmp_path / "mine")
    opened = open_store()
    opened.add(planned())
    assert (tmp_path / "mine" / "reports.sqlite").is_file()
    opened.engine.dispose()


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("nonsense", QuestionError, "no address of a database"),
        ("mysql://root@localhost/x", QuestionError, "postgresql:// or sqlite"),
        ("postgresql://nobody@127.0.0.1:1/x", MissingPartError, "cannot be used"),
        ("sqlite:////proc/nowhere/r.sqlite", MissingPartError, "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_said(address, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as said:
        open_store(address)
    assert "\n" not in str(said.value)


def test_a_lost_database_is_an_error_of_ours(store):
    with store.engine.begin() as connection:
        connection.execute(text("alter table reports rename to elsewhere"))
    try:
        with pytest.raises(MissingPartError, match="database of reports"):
            store.add(planned())
        assert store.answers()
    finally:
        with store.engine.begin() as connection:
            connection.execute(text("alter table elsewhere rename to reports"))
    with Session(store.engine) as session:
        assert session.scalar(select(ReportRow.id)) is None
