"""The tables of the store. What changes here needs a migration beside the others; a test compares the two."""

from sqlalchemy import BigInteger, Boolean, DateTime, Float, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONVENTION = {"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}


class Base(DeclarativeBase):
    """Names of keys and indices are the same on every database."""

    metadata = MetaData(naming_convention=CONVENTION)


class ReportRow(Base):
    """A report: the document as it was given, and beside it what lists and figures are made of."""

    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64))
    """Of the token that deletes it; the token itself is kept by its maker alone."""
    document_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[object] = mapped_column(DateTime(timezone=True))
    listed: Mapped[bool] = mapped_column(Boolean)
    """Whether it stands among the community's; else only who has its link finds it."""
    machine: Mapped[str] = mapped_column(String(160))
    machine_name: Mapped[str] = mapped_column(String(160))
    gpus: Mapped[int] = mapped_column(BigInteger)
    model: Mapped[str] = mapped_column(String(160))
    model_name: Mapped[str] = mapped_column(String(160))
    quantization: Mapped[str | None] = mapped_column(String(64))
    runtime: Mapped[str | None] = mapped_column(String(64))
    context: Mapped[int | None] = mapped_column(BigInteger)
    verdict: Mapped[str | None] = mapped_column(String(16))
    generate_tps: Mapped[float | None] = mapped_column(Float)
    generate_low: Mapped[float | None] = mapped_column(Float)
    generate_expected: Mapped[float | None] = mapped_column(Float)
    generate_high: Mapped[float | None] = mapped_column(Float)
    prompt_tps: Mapped[float | None] = mapped_column(Float)
    prompt_expected: Mapped[float | None] = mapped_column(Float)
    fastest_tps: Mapped[float | None] = mapped_column(Float)
    """What the memory's bandwidth allows at most: a faster generation cannot have been; None where it is not known."""
    document: Mapped[str] = mapped_column(Text)
    maker: Mapped[str | None] = mapped_column(String(8))
    """Part of a digest of the address that sent it (`store.maker_of`); None where it came without one."""
    forecast_grade: Mapped[str | None] = mapped_column(String(16))
    """How its forecast was known: "measured" where a run on the very machine had corrected it."""

    __table_args__ = (
        Index(None, "created_at"),
        Index("ix_reports_listed_created_at", "listed", "created_at"),
        Index(None, "document_sha256"),
        Index(None, "machine"),
    )
