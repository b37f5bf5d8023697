"""What the server does beside Streamlit's pages: who may ask how often, shared reports as pages, figures for its operator."""
