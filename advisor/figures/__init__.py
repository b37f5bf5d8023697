"""Plotly figures, built from results as plain dictionaries. No streamlit, no computing."""
