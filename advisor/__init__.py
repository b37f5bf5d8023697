"""Headroom: which language models a machine can run, with which file and settings, and whether that is true."""

__version__ = "0.1.0"
