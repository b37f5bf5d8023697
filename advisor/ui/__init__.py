"""Showing: words, state in the address, browser components. Computes nothing."""
