"""Is it true? A short run on this very machine, measured, beside what was predicted."""
