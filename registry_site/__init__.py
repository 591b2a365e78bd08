"""The site: settings, addresses, the server, and what operators run."""

# The one place that says it; pyproject.toml reads it here.
__version__ = "0.1.0"
