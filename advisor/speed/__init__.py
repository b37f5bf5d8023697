"""How fast a plan runs: bytes over bandwidth and arithmetic over throughput, with efficiencies fitted on public measurements."""
