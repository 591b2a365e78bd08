"""`/v2/` through both of its doors."""
