"""How fast a plan runs: bytes over bandwidth and arithmetic over throughput, with factors fitted on measurements."""
