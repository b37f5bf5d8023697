"""What a machine is: profiles, detection, the library of known machines. Bytes and probes to facts."""
