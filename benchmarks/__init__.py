"""Berth beside other registries, measured in one run. `python -m benchmarks --help`."""
