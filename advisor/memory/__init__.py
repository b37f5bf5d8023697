"""What llama.cpp allocates: machine, model and settings to a `MemoryPlan`. Pure: no I/O, no clock, no globals."""
