"""The steps of an image's history, as one would write them in a Dockerfile.

Builders write down what they ran in forms of their own: Docker's classic builder and buildah put
`/bin/sh -c #(nop)` before what runs nothing, BuildKit puts ` # buildkit` behind everything. What is
no instruction of a Dockerfile (`bazel build`, `docker commit`) becomes a comment.
"""

import json
import re

_KEYWORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR"
)
_KEYWORD = re.compile(rf"(?:{'|'.join(_KEYWORDS.split())})(?=\s|$)")
# A shell with its options, up to the command: sh on Unix, cmd and PowerShell on Windows.
_UNIX = r"(?:/usr)?/bin/(?:ba|da|a|k|z)?sh(?: (?:-[A-Za-z]+|\+[A-Za-z]+|pipefail))*? -[a-z]*c"
_CMD = r"(?:[A-Za-z]:\\\S{0,200}\\)?cmd(?:\.exe)? /S /C"
_POWERSHELL = r"(?:powershell|pwsh)(?:\.exe)?(?: -[A-Za-z]+)*? -Command"
_PREFERENCES = r"(?: \$\w+Preference = '\w+';)*"
_SHELL = re.compile(rf"(?:{_UNIX}|{_CMD}|{_POWERSHELL}{_PREFERENCES})(?:\s+|$)", re.IGNORECASE)
_NOTHING_RUN = re.compile(r"#\(nop\)\s*")
_ARGUMENTS = re.compile(r"\|([0-9]{1,4}) ")
_SOURCE = re.compile(r"((?:ADD|COPY) (?:file|dir|multi):[0-9a-f]{64}) in ")
# How Go prints a set, a list and a health check.
_GO_SET = re.compile(r"EXPOSE (?:map)?\[([^\[\]]*)\]")
_GO_LIST = re.compile(r"(CMD|ENTRYPOINT|SHELL|VOLUME) (\[.*\])", re.DOTALL)
_GO_HEALTHCHECK = re.compile(
    r'HEALTHCHECK &\{\["(CMD|CMD-SHELL)" (.*)\] "(\w+)" "(\w+)" "(\w+)".*\}', re.DOTALL
)
_BUILDKIT = " # buildkit"
_MIN_BROKEN = 72
# What was a line's end before the builder joined the lines: it leaves the indentation.
_JOINT = re.compile(r"[ \t]*\t[ \t]*| {3,}| && ")
_NEXT_LINE = " \\\n    "


def instruction(created_by: str, comment: str = "") -> str:
    """What a Dockerfile would have for this row of the history; nothing for an empty row."""
    text = created_by.strip()
    if not text:
        return _remark(comment.strip())
    text = text.removesuffix(_BUILDKIT).rstrip()
    keyword = _KEYWORD.match(text)
    if keyword is None:
        return _classic(text)
    if keyword[0] == "RUN":
        return _run(text[len("RUN") :].strip())
    return _tidy(text)


def _remark(text: str) -> str:
    return "\n".join(f"# {line}" if line else "#" for line in text.splitlines())


def _classic(text: str) -> str:
    if text.startswith("#") and not _NOTHING_RUN.match(text):
        return text
    shell = _SHELL.match(text)
    if shell:
        nothing_run = _NOTHING_RUN.match(text, shell.end())
        if nothing_run:
            rest = text[nothing_run.end() :]
            return _tidy(rest) if _KEYWORD.match(rest) else _remark(rest)
        return _run(text)
    if _ARGUMENTS.match(text) or (text.startswith("/") and " " in text):
        return _run(text)
    return _remark(text)


def _run(text: str) -> str:
    """RUN without the shell that every RUN has; build arguments stand in a remark before it."""
    arguments, text = _split_arguments(text)
    shell = _SHELL.match(text)
    command = text[shell.end() :] if shell else text
    return f"{_remark(arguments)}\n{_broken(command)}" if arguments else _broken(command)


def _split_arguments(text: str) -> tuple[str, str]:
    """`|2 A=1 B=x y /bin/sh -c make` as `A=1 B=x y` and the rest.

    The values are not quoted, so they end where a shell begins; without one, where their number
    says, which is right if no value has a space.
    """
    match = _ARGUMENTS.match(text)
    if match is None:
        return "", text
    for space in re.finditer(" ", text):
        if _SHELL.match(text, space.end()):
            return text[match.end() : space.start()], text[space.end() :]
    words = text[match.end() :].split(" ")
    count = int(match[1])
    return " ".join(words[:count]), " ".join(words[count:])


def _broken(command: str) -> str:
    """The command with a line for each of its parts. What has lines already keeps them."""
    if "\n" in command or len(command) < _MIN_BROKEN:
        return f"RUN {command}".rstrip()
    pieces, start, position = [], 0, 0
    plain = _plain(command)
    for joint in _JOINT.finditer(command):
        if not plain[joint.start()] or joint.start() < position:
            continue
        pieces.append(command[start : joint.start()].rstrip())
        # `&&` begins a line, as people write it.
        start = joint.start() + 1 if joint[0] == " && " else joint.end()
        position = joint.end()
    pieces.append(command[start:].strip())
    return "RUN " + _NEXT_LINE.join(piece for piece in pieces if piece)


def _plain(command: str) -> list[bool]:
    """For each character whether it stands outside of quotes and parentheses."""
    plain, quote, depth, escaped = [], "", 0, False
    for character in command:
        plain.append(not quote and depth == 0 and not escaped)
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in "()":
            depth = max(0, depth + (1 if character == "(" else -1))
    return plain


def _tidy(text: str) -> str:
    """An instruction that runs nothing, with Go's notations replaced by a Dockerfile's."""
    text = _SOURCE.sub(r"\1 ", text.strip(), count=1)
    if exposed := _GO_SET.fullmatch(text):
        return "EXPOSE " + " ".join(port.removesuffix(":{}") for port in exposed[1].split())
    if listed := _GO_LIST.fullmatch(text):
        return f"{listed[1]} {_json_list(listed[2])}"
    if text.endswith("}") and (check := _GO_HEALTHCHECK.fullmatch(text)):
        return _healthcheck(*check.groups())
    return text


def _json_list(text: str) -> str:
    """`["a" "b"]` and `[a b]` as `["a", "b"]`; what is JSON already stays as it is."""
    try:
        json.loads(text)
        return text
    except (ValueError, RecursionError):
        pass
    quoted = re.sub(r'"\s+"', '", "', text)
    try:
        json.loads(quoted)
        return quoted
    except (ValueError, RecursionError):
        return json.dumps(text[1:-1].split(), ensure_ascii=False) if '"' not in text else text


def _healthcheck(form: str, test: str, *durations: str) -> str:
    names = ("interval", "timeout", "start-period")
    options = "".join(
        f"--{name}={duration} "
        for name, duration in zip(names, durations, strict=True)
        if duration != "0s"
    )
    words = _json_list(f"[{test}]")
    if form == "CMD-SHELL":
        try:
            words = " ".join(json.loads(words))
        except (ValueError, TypeError):
            words = test
    return f"HEALTHCHECK {options}CMD {words}"
