"""What shared reports need to speak for a kind of machine: a mark of who sent one, and how its forecast was known."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns; older reports have neither."""
    op.add_column("reports", sa.Column("maker", sa.String(8)))
    op.add_column("reports", sa.Column("forecast_grade", sa.String(16)))
    op.create_index(op.f("ix_reports_machine"), "reports", ["machine"])


def downgrade() -> None:
    """Drop both columns."""
    op.drop_index(op.f("ix_reports_machine"), "reports")
    op.drop_column("reports", "forecast_grade")
    op.drop_column("reports", "maker")
