"""The table of reports."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its indices."""
    op.create_table(
        "reports",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("machine", sa.String(160), nullable=False),
        sa.Column("machine_name", sa.String(160), nullable=False),
        sa.Column("gpus", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(160), nullable=False),
        sa.Column("model_name", sa.String(160), nullable=False),
        sa.Column("quantization", sa.String(64)),
        sa.Column("runtime", sa.String(64)),
        sa.Column("context", sa.BigInteger()),
        sa.Column("verdict", sa.String(16)),
        sa.Column("generate_tps", sa.Float()),
        sa.Column("generate_low", sa.Float()),
        sa.Column("generate_expected", sa.Float()),
        sa.Column("generate_high", sa.Float()),
        sa.Column("prompt_tps", sa.Float()),
        sa.Column("prompt_expected", sa.Float()),
        sa.Column("fastest_tps", sa.Float()),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index(op.f("ix_reports_created_at"), "reports", ["created_at"])
    op.create_index("ix_reports_listed_created_at", "reports", ["listed", "created_at"])
    op.create_index(op.f("ix_reports_document_sha256"), "reports", ["document_sha256"])


def downgrade() -> None:
    """Drop the table, with all reports."""
    op.drop_table("reports")
