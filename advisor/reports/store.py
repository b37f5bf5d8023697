"""Where reports are kept: SQLite in the user's data folder, or the database of ADVISOR_DATABASE_URL (PostgreSQL).

A report is written before its id is given out: SQLite with a write-ahead log and a synchronised disk for every commit,
PostgreSQL by its own rule, so that what was acknowledged is there after a crash, and whole. Ids are random and cannot be
guessed. A report is deleted by the token that only its maker got; the store keeps the token's hash.
"""

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from advisor.errors import MissingPartError, QuestionError, StoreError
from advisor.file_lock import file_lock
from advisor.networks import network_of
from advisor.paths import data_folder
from advisor.reports.migrating import migrate
from advisor.reports.report import HardwareReport
from advisor.reports.stored import canonical, parsed
from advisor.reports.summary import Summary, columns_of
from advisor.reports.tables import ReportRow
from advisor.settings import settings
from advisor.units import KIB

ID_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""Letters and digits but those that look like others: ids are read aloud and typed."""
ID_LENGTH = 16
"""57**16 is about 2**93: at a thousand guesses a second nobody finds one of a billion reports in the sun's lifetime."""
MOST_LISTED = 20_000
_SHORT = 64 * KIB
"""Characters of a document up to which it is kept in memory once it was read; a measured one has about 23,000."""
_SUMMARY = [getattr(ReportRow, field.name) for field in fields(Summary)]


@dataclass(frozen=True)
class Kept:
    """What its maker gets for a report. The token is not to be had again."""

    id: str
    token: str


@dataclass(frozen=True)
class Found:
    """A report of the store."""

    id: str
    created_at: datetime
    listed: bool
    report: HardwareReport


class Store:
    """Reports in one database. Safe to use from many threads; raises StoreError where the database cannot be used."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, report: HardwareReport, *, listed: bool = False, address: str | None = None) -> Kept:
        """Keep a report; it is on the disk when this returns. `listed`: it may stand among the community's.

        Of `address`, who sent it, only a mark is kept that very many share (`maker_of`).
        """
        document = canonical(report)
        kept = Kept("".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH)), secrets.token_urlsafe(24))
        row = ReportRow(
            id=kept.id,
            token_sha256=_sha256(kept.token),
            document_sha256=_sha256(document),
            created_at=datetime.now(UTC).replace(microsecond=0),
            listed=listed,
            document=document,
            maker=maker_of(address),
            **columns_of(report),
        )
        with self._session() as session:
            session.add(row)
            session.commit()
        return kept

    def get(self, id_: str) -> Found | None:
        """The report of an id, raised to the present schema; None where there is none."""
        if not is_id(id_):
            return None
        with self._session() as session:
            row = session.get(ReportRow, id_)
            if row is None:
                return None
            return Found(row.id, _utc(row.created_at), row.listed, _read(row.document))

    def same_as(self, report: HardwareReport) -> str | None:
        """The id under which this very report is kept already, if it is."""
        asked = select(ReportRow.id).where(ReportRow.document_sha256 == _sha256(canonical(report))).limit(1)
        with self._session() as session:
            return session.scalar(asked)

    def delete(self, id_: str, token: str) -> bool:
        """Delete a report by its maker's token; False where there is no such report or the token is another's."""
        if not is_id(id_):
            return False
        with self._session() as session:
            known = session.scalar(select(ReportRow.token_sha256).where(ReportRow.id == id_))
            # Where there is no such report something is compared too: how long the answer takes says nothing.
            if not hmac.compare_digest(known or _sha256(""), _sha256(token)) or known is None:
                return False
        return self.remove(id_)

    def remove(self, id_: str) -> bool:
        """Delete a report as the owner of the database; False where there is none."""
        with self._session() as session:
            gone = session.connection().execute(delete(ReportRow).where(ReportRow.id == id_)).rowcount
            session.commit()
        return bool(gone)

    def summaries(
        self, *, listed_only: bool, limit: int = MOST_LISTED, offset: int = 0, machine: str | None = None
    ) -> list[Summary]:
        """What lists show, newest first; of one kind of machine by its key, or of all."""
        asked = select(*_SUMMARY).order_by(ReportRow.created_at.desc(), ReportRow.id).limit(limit).offset(offset)
        if listed_only:
            asked = asked.where(ReportRow.listed)
        if machine is not None:
            asked = asked.where(ReportRow.machine == machine)
        with self._session() as session:
            rows = [dict(row) for row in session.execute(asked).mappings()]
        return [Summary(**{**row, "created_at": _utc(row["created_at"])}) for row in rows]

    def kinds(self, *, listed_only: bool, least: int) -> frozenset[str]:
        """The keys of the machines of which there are `least` reports or more."""
        asked = select(ReportRow.machine).group_by(ReportRow.machine).having(func.count() >= least)
        with self._session() as session:
            return frozenset(key for key in session.scalars(asked.where(ReportRow.listed) if listed_only else asked) if key)

    def count(self, *, listed_only: bool) -> int:
        """How many reports there are."""
        asked = select(func.count()).select_from(ReportRow)
        with self._session() as session:
            return int(session.scalar(asked.where(ReportRow.listed) if listed_only else asked) or 0)

    def answers(self) -> bool:
        """Whether the database can be reached now."""
        try:
            with self.engine.connect() as connection:
                return bool(connection.scalar(text("select 1")) == 1)
        except DBAPIError:
            return False

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self.engine) as session:
                yield session
        except DBAPIError as error:
            raise _unusable(self.engine.url.get_backend_name(), error) from None


def open_store(url: str | None = None) -> Store:
    """The store at a database's address (`sqlite:///file`, `postgresql://...`), made or brought up to date where it must be.

    Without an address: an SQLite file in the user's data folder. Raises QuestionError for an address that is none,
    StoreError where the database cannot be reached, MissingPartError where its driver is not installed.
    """
    if url is None:
        folder = data_folder()
        folder.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{folder / 'reports.sqlite'}"
    engine = _engine(url)
    try:
        with engine.connect() as connection, _alone(connection):
            migrate(connection)
    except DBAPIError as error:
        engine.dispose()
        raise _unusable(engine.url.get_backend_name(), error) from None
    return Store(engine)


@cache
def store() -> Store:
    """The store of this process, opened when it is first needed."""
    return open_store(settings().database_url)


def maker_of(address: str | None) -> str | None:
    """What reports from one address share: 12 bits of its digest, so that each mark stands for a million addresses.

    It tells the many of one sender from the many of many, and nothing of who that is.
    """
    return None if address is None else _sha256(network_of(address))[:3]


def is_id(text: str) -> bool:
    """Whether `text` could be the id of a report."""
    return len(text) == ID_LENGTH and all(letter in ID_LETTERS for letter in text)


def _read(document: str) -> HardwareReport:
    """A kept document as a report."""
    return _read_once(document) if len(document) <= _SHORT else parsed(document)


@lru_cache(maxsize=64)
def _read_once(document: str) -> HardwareReport:
    """Many read a report that was linked somewhere, and to check one takes more time than all the rest of its page."""
    return parsed(document)


def _engine(url: str) -> Engine:
    try:
        address = make_url(url)
        if address.get_backend_name() == "postgresql":
            # `postgres://` and a bare `postgresql://` mean the driver that we ship.
            limits = {"connect_timeout": 5, "options": "-c statement_timeout=10000"}
            address = address.set(drivername="postgresql+psycopg")
            return create_engine(address, pool_pre_ping=True, pool_size=5, max_overflow=10, connect_args=limits)
        if address.get_backend_name() != "sqlite":
            raise QuestionError("ADVISOR_DATABASE_URL must begin with postgresql:// or sqlite:///")
        engine = create_engine(address, connect_args={"timeout": 10})
    except ArgumentError:
        raise QuestionError(
            "ADVISOR_DATABASE_URL is no address of a database; write postgresql://user:password@host/name"
        ) from None
    except ImportError:
        raise MissingPartError('PostgreSQL needs its driver: pip install "advisor[postgres]"') from None
    event.listen(engine, "connect", _durable)
    return engine


def _durable(connection: Any, _record: object) -> None:
    """Writers do not wait for readers, and a commit is on the disk when it returns (sqlite.org/pragma.html, synchronous)."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextlib.contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """No other process migrates the same database meanwhile."""
    if connection.dialect.name == "postgresql":
        # Any number that is ours: "headroom" as the first eight bytes of a key.
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": int.from_bytes(b"headroom") >> 1})
        connection.commit()
        try:
            yield
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": int.from_bytes(b"headroom") >> 1})
            connection.commit()
        return
    file = connection.engine.url.database
    if not file or file == ":memory:":
        yield
        return
    from pathlib import Path

    with file_lock(Path(f"{file}.lock")):
        yield


def _unusable(backend: str, error: DBAPIError) -> StoreError:
    said = str(error.orig).strip().splitlines()[0][:160] if error.orig else type(error).__name__
    if isinstance(error, OperationalError):
        return StoreError(f"the database of reports ({backend}) cannot be used: {said}")
    return StoreError(f"the database of reports ({backend}) refused: {said}")


def _utc(moment: Any) -> datetime:
    """SQLite gives back moments without their zone; all that are stored are in UTC."""
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
