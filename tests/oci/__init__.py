"""The vocabulary: grammar, digests, manifests, errors. No database in any of these."""
