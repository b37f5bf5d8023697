"""Decisions: verdicts, ranked options, recommendations. Pure: no I/O, no clock, no globals."""
