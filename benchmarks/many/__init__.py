"""Beside many rows: 100,000 repositories, tags in one repository and tokens, 1,000,000 blobs."""
