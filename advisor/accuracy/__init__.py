"""How close the memory formulas are to public load logs: cases rebuilt from what a log says, and the differences."""
