"""Berth's tests; the folders mirror the code."""
