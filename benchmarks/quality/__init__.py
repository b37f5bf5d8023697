"""Fits of models' quality."""
