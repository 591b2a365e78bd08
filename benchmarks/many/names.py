"""What groups of cases and databases are called."""

GROUPS = {
    "registry": "What registry clients ask for",
    "page": "Pages",
    "api": "The management API",
    "job": "Steps of jobs, and retention",
}
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
