"""The vocabulary of the OCI specifications, in pure Python: no Django, no database."""
