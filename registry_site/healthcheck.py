"""`registry healthcheck`: the registry of this container, asked as a container engine asks.

Without Django: it runs every few seconds.
"""

import http.client
import ssl

from registry_site import env, http_settings

_SECONDS = 10.0
_EVERYWHERE = ("", "0.0.0.0", "[::]")  # noqa: S104  (to be called, not to listen at)


def problem() -> str:
    """What is wrong with the server at REGISTRY_HTTP_ADDR; empty when it answers."""
    host, _, port = env.text("REGISTRY_HTTP_ADDR", "127.0.0.1:5000").rpartition(":")
    address = "localhost" if host in _EVERYWHERE else host.strip("[]")
    connection = _connection(address, int(port))
    try:
        connection.connect()
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except ssl.SSLError as error:
        # Who asks clients for certificates is alive.
        return "" if "CERTIFICATE_REQUIRED" in str(error).upper() else str(error)
    except (OSError, http.client.HTTPException) as error:
        return f"{host}:{port} does not answer: {error}"
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"/healthz answers {status}"


def _connection(host: str, port: int) -> http.client.HTTPConnection:
    if not http_settings.tls_files():
        return http.client.HTTPConnection(host, port, timeout=_SECONDS)
    # The certificate is for the name that clients use.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)
