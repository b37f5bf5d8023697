"""Brings a database to the tables that this version needs, by the migrations that ship beside this file."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

HEAD = "0002"
"""The newest migration; a test holds it against the files."""
FOLDER = Path(__file__).with_name("migrations")


def migrate(connection: Connection) -> None:
    """Apply the migrations that are missing; at once where none is. Alembic is only loaded where it has work."""
    if current(connection) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    connection.rollback()
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def current(connection: Connection) -> str | None:
    """The migration that a database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("select version_num from alembic_version"))
    return found
