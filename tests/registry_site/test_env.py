"""Settings from the environment: read as meant, or refused with a word on how to write them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from registry_site import env

NAME = "REGISTRY_TEST"
TRUE = ["true", "TRUE", "1", "yes", "on", " True "]
FALSE = ["false", "False", "0", "no", "off"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "asked", dict(env.asked))
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.delenv(f"{NAME}_FILE", raising=False)


def refused(call: Callable[[], object]) -> str:
    """What is said when the value is malformed: it names the setting, always."""
    with pytest.raises(ImproperlyConfigured) as caught:
        call()
    assert NAME in str(caught.value)
    return str(caught.value)


class TestText:
    def test_it_is_the_value_or_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env.text(NAME) == ""
        assert env.text(NAME, "default") == "default"
        monkeypatch.setenv(NAME, " value ")
        assert env.text(NAME, "default") == " value "
        monkeypatch.setenv(NAME, "")
        assert env.text(NAME, "default") == "default"

    @pytest.mark.parametrize(
        ("content", "value"),
        [("secret", "secret"), ("secret\n", "secret"), ("a\r\n", "a"), ("", "default")],
    )
    def test_it_can_stand_in_a_file(
        self, content: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As Docker and Kubernetes mount secrets."""
        (tmp_path / "secret").write_text(content, newline="")
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))

        assert env.text(NAME, "default") == value

    def test_every_other_kind_can_stand_in_a_file_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "value"))
        (tmp_path / "value").write_text("yes\n")
        assert env.flag(NAME, default=False) is True
        (tmp_path / "value").write_text("7\n")
        assert env.integer(NAME, 1, least=0, most=9) == 7
        (tmp_path / "value").write_text("1h\n")
        assert env.duration(NAME, "2h") == 3600
        (tmp_path / "value").write_text("a, b\n")
        assert env.words(NAME) == ["a", "b"]

    def test_both_at_once_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secret").write_text("one")
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
        monkeypatch.setenv(NAME, "another")

        assert "keep one of them" in refused(lambda: env.text(NAME))

    @pytest.mark.parametrize("path", ["absent", ".", "binary"])
    def test_a_file_that_cannot_be_read_is_refused(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / path))

        assert str(tmp_path / path) in refused(lambda: env.text(NAME))


class TestFlag:
    @pytest.mark.parametrize(
        ("value", "expected"), [(v, True) for v in TRUE] + [(v, False) for v in FALSE]
    )
    def test_yes_and_no(self, value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(NAME, value)

        assert env.flag(NAME, default=not expected) is expected

    @pytest.mark.parametrize("default", [True, False])
    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_nothing_is_the_default(
        self, value: str | None, default: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if value is not None:
            monkeypatch.setenv(NAME, value)

        assert env.flag(NAME, default=default) is default

    @pytest.mark.parametrize("value", ["2", "enabled", "maybe", "truee", "\u0661"])
    def test_any_other_word_is_refused(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(NAME, value)

        assert "true or false" in refused(lambda: env.flag(NAME, default=True))


class TestInteger:
    @pytest.mark.parametrize(("value", "number"), [("0", 0), ("10", 10), (" 5 ", 5), ("", 3)])
    def test_a_number_within_its_bounds(
        self, value: str, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert env.integer(NAME, 3, least=0, most=10) == number

    @pytest.mark.parametrize(
        "value", ["-1", "11", "1_0", "+5", "5.0", "0x1", "five", "1e1", "\u0661", "9" * 5000]
    )
    def test_anything_else_is_refused_with_the_bounds(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert "from 0 to 10" in refused(lambda: env.integer(NAME, 3, least=0, most=10))


class TestDuration:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0),
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("168h", 604_800),
            ("1h30m", 5400),
            ("1h1m1s", 3661),
            ("1.5h", 5400),
            ("500ms", 0.5),
            ("1m500ms", 60.5),
            (" 2s ", 2),
            ("", 3600),
        ],
    )
    def test_a_duration_as_users_of_registry_2_write_it(
        self, value: str, seconds: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert env.duration(NAME, "1h") == seconds

    @pytest.mark.parametrize(
        "value", ["168", "h", "1d", "-1h", "1h 30m", "1h30", "1,5h", "1h!", "\u0661h", "1 hour"]
    )
    def test_anything_else_is_refused_with_an_example(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert "168h" in refused(lambda: env.duration(NAME, "1h"))


class TestRate:
    @pytest.mark.parametrize(
        ("value", "rate"),
        [("64MiB/s", 64 * 1024**2), (" 1.5GB/s ", 1_500_000_000), ("", 20_000_000)],
    )
    def test_a_rate_is_bytes_in_a_second(
        self, value: str, rate: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert env.rate(NAME, "20MB/s") == rate

    @pytest.mark.parametrize("value", ["20", "20MB/m", "0MB/s", "fast", "-1MB/s", "20Mbit/s"])
    def test_anything_else_is_refused_with_an_example(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        said = refused(lambda: env.rate(NAME, "20MB/s"))
        assert NAME in said
        assert "B/s" in said


class TestChoice:
    @pytest.mark.parametrize(("value", "word"), [("pull", "pull"), (" pull", "pull"), ("", "none")])
    def test_a_word_that_is_allowed(
        self, value: str, word: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert env.choice(NAME, "none", ("none", "pull")) == word

    @pytest.mark.parametrize("value", ["Pull", "write", "none,pull"])
    def test_any_other_is_refused_with_those_that_are(
        self, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert "none, pull" in refused(lambda: env.choice(NAME, "none", ("none", "pull")))


class TestWords:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [("a", ["a"]), ("a,b", ["a", "b"]), (" a , b ,", ["a", "b"]), ("", ["x"]), (" , ", ["x"])],
    )
    def test_a_list_with_commas(
        self, value: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NAME, value)

        assert env.words(NAME, ["x"]) == expected
