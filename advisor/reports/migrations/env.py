"""Run by Alembic: applies the migrations to the connection that `store` lends."""

from alembic import context

from advisor.reports.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
