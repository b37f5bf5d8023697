"""What pages do not load: pandas and pyarrow, 65 MiB of a server that shows no data frame."""

import pytest
from streamlit import dataframe_util

from tests.pages.conftest import PAGES


@pytest.mark.parametrize("page", PAGES)
def test_no_page_lets_streamlit_look_for_data_frames(app, page, monkeypatch):
    looked_into = []

    def look(value):
        looked_into.append(value)
        return dataframe_util.DataFormat.UNKNOWN

    monkeypatch.setattr(dataframe_util, "determine_data_format", look)
    app.open(page)
    assert not looked_into
