"""Storage drivers: one contract, and what is particular to each."""
