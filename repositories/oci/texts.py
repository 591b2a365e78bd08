"""Texts that others wrote, kept to a length that a page can show."""

MAX_TEXT_BYTES = 4 * 1024
# What a text that was cut ends with.
CUT = "\u2026"


def cut(text: str) -> str:
    """The text itself, or its first MAX_TEXT_BYTES of UTF-8 and a mark that there was more."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return text
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text
    return encoded[:MAX_TEXT_BYTES].decode(errors="ignore") + CUT
