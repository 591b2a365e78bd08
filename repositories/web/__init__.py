"""The pages of the registry that people open in a browser."""
