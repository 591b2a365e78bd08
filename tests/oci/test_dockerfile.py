"""A history reads like the Dockerfile that it came from, whoever built the image."""

import time

import pytest

from repositories.oci.dockerfile import instruction

# What Docker's classic builder (28.2) made of one Dockerfile.
CLASSIC = {
    "/bin/sh -c #(nop)  ARG VERSION=1.0": "ARG VERSION=1.0",
    "/bin/sh -c #(nop)  ENV PATH=/bin A=b c": "ENV PATH=/bin A=b c",
    f"/bin/sh -c #(nop) COPY dir:{64 * 'b'} in /bin/a ": f"COPY dir:{64 * 'b'} /bin/a",
    f"/bin/sh -c #(nop) ADD file:{64 * '1'} in / ": f"ADD file:{64 * '1'} /",
    "/bin/sh -c #(nop)  LABEL org.example=x y": "LABEL org.example=x y",
    "|1 VERSION=2.0 /bin/sh -c echo $VERSION > /v": "# VERSION=2.0\nRUN echo $VERSION > /v",
    "|1 VERSION=2.0 /bin/busybox echo exec": "# VERSION=2.0\nRUN /bin/busybox echo exec",
    "/bin/sh -c #(nop)  SHELL [/bin/sh -e -c]": 'SHELL ["/bin/sh", "-e", "-c"]',
    "|1 VERSION=2.0 /bin/sh -e -c echo shell": "# VERSION=2.0\nRUN echo shell",
    "/bin/sh -e -c #(nop) WORKDIR /srv": "WORKDIR /srv",
    "/bin/sh -e -c #(nop)  EXPOSE 443 80/tcp": "EXPOSE 443 80/tcp",
    "/bin/sh -e -c #(nop)  VOLUME [/data]": 'VOLUME ["/data"]',
    "/bin/sh -e -c #(nop)  USER 1000:1000": "USER 1000:1000",
    "/bin/sh -e -c #(nop)  STOPSIGNAL SIGTERM": "STOPSIGNAL SIGTERM",
    '/bin/sh -e -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "echo ok"] "5s" "3s" "0s" \'\\x00\'}': (
        "HEALTHCHECK --interval=5s --timeout=3s CMD echo ok"
    ),
    '/bin/sh -e -c #(nop)  ENTRYPOINT ["/bin/sh"]': 'ENTRYPOINT ["/bin/sh"]',
    '/bin/sh -e -c #(nop)  CMD ["-c" "echo hi"]': 'CMD ["-c", "echo hi"]',
}
# buildah 1.28, of the same Dockerfile.
BUILDAH = {
    "/bin/sh -c #(nop) ARG VERSION": "ARG VERSION",
    '/bin/sh -c #(nop) ENV PATH=/bin A="b c"': 'ENV PATH=/bin A="b c"',
    '/bin/sh -c #(nop) LABEL org.example="x y"': 'LABEL org.example="x y"',
    '|1 VERSION=1.0 /bin/sh -c ["/bin/busybox", "echo", "exec"]': (
        '# VERSION=1.0\nRUN ["/bin/busybox", "echo", "exec"]'
    ),
    '/bin/sh -c #(nop) SHELL ["/bin/sh", "-e", "-c"]': 'SHELL ["/bin/sh", "-e", "-c"]',
    "/bin/sh -c #(nop) EXPOSE 80/tcp 443": "EXPOSE 80/tcp 443",
    "/bin/sh -c #(nop) VOLUME /data": "VOLUME /data",
    "/bin/sh -c #(nop) HEALTHCHECK --interval=5s --timeout=3s CMD echo ok": (
        "HEALTHCHECK --interval=5s --timeout=3s CMD echo ok"
    ),
    "/bin/sh": "# /bin/sh",
}
BUILDKIT = {
    "RUN /bin/sh -c apk add curl # buildkit": "RUN apk add curl",
    "RUN |2 A=1 B=x y /bin/sh -c make # buildkit": "# A=1 B=x y\nRUN make",
    "RUN /bin/bash -o pipefail -c curl x | sh # buildkit": "RUN curl x | sh",
    "RUN /bin/bash -euxo pipefail -c make # buildkit": "RUN make",
    "COPY --chown=1:1 . /app # buildkit": "COPY --chown=1:1 . /app",
    "ADD https://example.com/x /x # buildkit": "ADD https://example.com/x /x",
    "EXPOSE map[443/tcp:{} 80/tcp:{}]": "EXPOSE 443/tcp 80/tcp",
    "EXPOSE [80/tcp]": "EXPOSE 80/tcp",
    "VOLUME [/data /more]": 'VOLUME ["/data", "/more"]',
    'CMD ["nginx" "-g" "daemon off;"]': 'CMD ["nginx", "-g", "daemon off;"]',
    'HEALTHCHECK &{["CMD" "curl" "-f"] "5m0s" "3s" "1s" "0s" \'\\x03\'}': (
        'HEALTHCHECK --interval=5m0s --timeout=3s --start-period=1s CMD ["curl", "-f"]'
    ),
    "RUN /bin/sh -c set -e\nmake\n # buildkit": "RUN set -e\nmake",
}
WINDOWS = {
    'cmd /S /C #(nop)  CMD ["c:\\\\windows\\\\system32\\\\cmd.exe"]': (
        'CMD ["c:\\\\windows\\\\system32\\\\cmd.exe"]'
    ),
    "cmd /S /C mkdir app": "RUN mkdir app",
    r"C:\Windows\System32\cmd.exe /S /C dir": "RUN dir",
    "RUN cmd /S /C echo hi # buildkit": "RUN echo hi",
    "powershell -Command $ErrorActionPreference = 'Stop'; $ProgressPreference = "
    "'SilentlyContinue'; #(nop)  ENV A=b": "ENV A=b",
    "powershell -Command $ErrorActionPreference = 'Stop'; Install-Thing": "RUN Install-Thing",
    "Apply image 10.0.17763.1": "# Apply image 10.0.17763.1",
}
OTHERS = {
    "": "",
    "   ": "",
    "bazel build ...": "# bazel build ...",
    "# debian.sh --arch 'amd64' out/": "# debian.sh --arch 'amd64' out/",
    "RUNNING away": "# RUNNING away",
    "/bin/sh -c #(nop)  something odd": "# something odd",
    "RUN": "RUN",
    # What a command says is no instruction.
    '/bin/sh -c echo "#(nop)  CMD x"': 'RUN echo "#(nop)  CMD x"',
    "|3 A=1": "# A=1\nRUN",
    "jib-maven-plugin:3.4": "# jib-maven-plugin:3.4",
}


@pytest.mark.parametrize(
    ("created_by", "expected"),
    [pair for forms in (CLASSIC, BUILDAH, BUILDKIT, WINDOWS, OTHERS) for pair in forms.items()],
)
def test_each_builders_form_becomes_an_instruction(created_by: str, expected: str) -> None:
    assert instruction(created_by) == expected


def test_a_row_of_a_comment_only_is_a_remark() -> None:
    assert instruction("", "imported from -") == "# imported from -"


def test_a_long_command_has_a_line_for_each_part() -> None:
    created_by = (
        "/bin/sh -c apt-get update     && apt-get install -y curl "
        "&& sh -c 'a && b' && (c && d)   && rm -rf /var/lib/apt/lists/*"
    )
    assert instruction(created_by).splitlines() == [
        "RUN apt-get update \\",
        "    && apt-get install -y curl \\",
        "    && sh -c 'a && b' \\",
        "    && (c && d) \\",
        "    && rm -rf /var/lib/apt/lists/*",
    ]


def test_lines_that_the_builder_joined_are_lines_again() -> None:
    created_by = (
        "RUN /bin/sh -c set -eux; \tapt-get update; "
        "\tapt-get install -y --no-install-recommends \t\tca-certificates \t; # buildkit"
    )
    assert instruction(created_by).splitlines() == [
        "RUN set -eux; \\",
        "    apt-get update; \\",
        "    apt-get install -y --no-install-recommends \\",
        "    ca-certificates \\",
        "    ;",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "/bin/sh -c " + " " * 4000 + "x",
        "/bin/sh -c " + "\t " * 2000,
        "/bin/sh " + "-c " * 1300,
        "/bin/sh -" + "c" * 4000 + "!",
        "|9 " + "/bin/sh -a " * 370,
        "|9999 " + " " * 4000,
        "|" + "9" * 4000,
        "powershell" + " -a" * 1300,
        "powershell -Command" + " $aPreference = 'b';" * 200 + "x",
        "cmd" * 1300,
        'HEALTHCHECK &{["CMD" ' + '] "a" "b" "c" ' * 290 + "}x",
        'HEALTHCHECK &{["CMD" ' + '] "a" "b" "c" ' * 290 + "}",
        "CMD [" + '"a" ' * 1000 + "]",
        "CMD " + "[" * 4000 + "]" * 50,
        "EXPOSE map[" + "a " * 2000,
        "RUN " + "a && " * 800,
        "RUN " + "(" * 4000,
        "RUN " + "'" * 3999,
        "RUN " + "\\" * 4000,
        "#(nop) " * 500,
        "\0" * 4000,
        "\u2028" * 1000,
    ],
)
def test_hostile_texts_take_no_longer_than_their_length(text: str) -> None:
    """Beside harmless text of the same length, in processor time: far from what a power costs."""

    def best(created_by: str) -> float:
        times = []
        for _ in range(3):
            start = time.process_time()
            instruction(created_by)
            times.append(time.process_time() - start)
        return min(times)

    assert best(text) < 50 * best("RUN /bin/sh -c " + "word " * 800)
