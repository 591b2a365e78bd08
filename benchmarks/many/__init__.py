"""Pages beside many rows: 100,000 repositories, and one repository of 100,000 tags."""
