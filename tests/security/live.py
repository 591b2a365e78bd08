"""Plain requests to a real server."""

import http.client

from tests.live import LiveServer


def exchange(server: LiveServer, path: str, by: str | None = None) -> tuple[int, str]:
    """Status and body of a GET; `by` is the value of the Authorization header."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": by} if by else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def get(server: LiveServer, path: str, by: str | None = None) -> str:
    return exchange(server, path, by)[1]


def status(server: LiveServer, path: str, by: str | None = None) -> int:
    return exchange(server, path, by)[0]
