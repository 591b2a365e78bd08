"""Text can be read by people who see little: the contrasts of WCAG 2.2, level AA."""

import re
from pathlib import Path

import pytest
from django.conf import settings

SHEET = (Path(settings.BASE_DIR) / "static" / "berth.css").read_text()
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", SHEET
    )
}
# Text on what it stands on, 4.5 : 1; the lines of controls, 3 : 1.
PAIRS = [
    *[(text, "ground", 4.5) for text in ("ink", "quiet", "accent", "bad")],
    *[(text, "panel", 4.5) for text in ("ink", "quiet", "accent", "bad")],
    ("on-accent", "accent", 4.5),
    ("bad", "bad-ground", 4.5),
    ("good", "good-ground", 4.5),
    ("warn", "warn-ground", 4.5),
    ("control", "ground", 3.0),
]


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_contrast(theme: str, front: str, back: str, least: float) -> None:
    index = ("light", "dark").index(theme)
    bright, dim = sorted((luminance(COLOURS[n][index]) for n in (front, back)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least
