"""What others got wrong, and the tests that show that Berth does not: one file per family of rows
in the list of mistakes (S1 to S15, S26 to S29)."""
