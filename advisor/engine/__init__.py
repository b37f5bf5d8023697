"""llama.cpp as it is: how the pinned engine is built and whether it is here. With verify/, the only room that imports it."""
