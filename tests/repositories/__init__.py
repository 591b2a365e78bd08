"""What a registry does, without HTTP."""
