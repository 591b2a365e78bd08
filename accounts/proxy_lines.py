"""What to write into the configuration of nginx, Caddy, Traefik and Berth, ready to be copied.

Values that come from a request stand in these lines only after `accounts.proxy` has held them
against the grammar of an address.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Fix(NamedTuple):
    """Lines for the `file` of a `tool`."""

    tool: str
    file: str
    lines: str


Fixes = Sequence[Fix]


def berth(name: str, value: str) -> Fix:
    """A setting of ours."""
    return Fix("Berth", "/etc/berth.env", f"{name}={value}")


def _nginx(*lines: str) -> Fix:
    body = "\n".join(f"    {line}" for line in lines)
    return Fix("nginx", "/etc/nginx/conf.d/berth.conf", f"location / {{\n{body}\n}}")


def _caddy(*lines: str) -> Fix:
    body = "\n".join(f"\t{line}" for line in lines)
    return Fix("Caddy", "/etc/caddy/Caddyfile", f"reverse_proxy 127.0.0.1:5000 {{\n{body}\n}}")


def _traefik(header: str, value: str) -> Fix:
    lines = f"""\
http:
  middlewares:
    berth:
      headers:
        customRequestHeaders:
          {header}: {value}
  routers:
    berth:
      middlewares: [berth]"""
    return Fix("Traefik", "/etc/traefik/dynamic.yml", lines)


# The address that the browser used.
HOST: Fixes = (
    _nginx("proxy_set_header Host $http_host;"),
    _caddy("header_up Host {hostport}"),
    Fix(
        "Traefik",
        "/etc/traefik/dynamic.yml",
        "http:\n  services:\n    berth:\n      loadBalancer:\n        passHostHeader: true",
    ),
)
# The same, where a header that a proxy adds comes before Host.
FORWARDED_HOST: Fixes = (
    _nginx("proxy_set_header X-Forwarded-Host $http_host;"),
    _caddy("header_up X-Forwarded-Host {hostport}"),
)
SCHEME: Fixes = (
    _nginx("proxy_set_header X-Forwarded-Proto $scheme;"),
    _caddy("header_up X-Forwarded-Proto {scheme}"),
    _traefik("X-Forwarded-Proto", "https"),
)
CLIENT: Fixes = (
    _nginx("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"),
    _caddy("header_up X-Forwarded-For {remote_host}"),
)
# Nothing that a client could have written itself.
NO_FORWARDED: Fixes = (
    _nginx('proxy_set_header Forwarded "";'),
    _caddy("header_up -Forwarded"),
    _traefik("Forwarded", '""'),
)
# Two proxies, of which the outer one ends TLS: the inner one passes on what that one says.
PASS_ON: Fixes = (
    _nginx(
        "proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;",
        "proxy_set_header X-Forwarded-For $http_x_forwarded_for;",
    ),
    Fix(
        "Caddy",
        "/etc/caddy/Caddyfile",
        "{\n\tservers {\n\t\ttrusted_proxies static private_ranges\n\t}\n}",
    ),
    Fix(
        "Traefik",
        "/etc/traefik/traefik.yml",
        "entryPoints:\n  websecure:\n    forwardedHeaders:\n"
        "      trustedIPs: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]",
    ),
)
# A limit of nginx's own is 1 MB.
SIZE: Fixes = (
    _nginx("client_max_body_size 0;"),
    Fix(
        "Caddy",
        "/etc/caddy/Caddyfile",
        "# in the site's block: no request_body with a max_size\nreverse_proxy 127.0.0.1:5000",
    ),
    Fix(
        "Traefik",
        "/etc/traefik/dynamic.yml",
        "# no middleware `buffering` with maxRequestBodyBytes\n"
        "http:\n  routers:\n    berth:\n      middlewares: []",
    ),
)
# nginx keeps a body in chunks to itself unless it speaks HTTP/1.1 to the server.
STREAMING: Fixes = (_nginx("proxy_request_buffering off;", "proxy_http_version 1.1;"),)
WAITING: Fixes = (
    _nginx("client_body_timeout 75s;", "proxy_send_timeout 900s;", "proxy_read_timeout 900s;"),
    Fix(
        "Caddy",
        "/etc/caddy/Caddyfile",
        "# no read_timeout or response_header_timeout here\nreverse_proxy 127.0.0.1:5000",
    ),
    Fix(
        "Traefik",
        "/etc/traefik/traefik.yml",
        "entryPoints:\n  websecure:\n    transport:\n      respondingTimeouts:\n"
        "        readTimeout: 0s",
    ),
)
LARGE: Fixes = (
    _nginx(
        "client_max_body_size 0;",
        "proxy_request_buffering off;",
        "proxy_http_version 1.1;",
        "proxy_read_timeout 900s;",
    ),
    WAITING[-1],
)
# Everything goes to Berth, by the path that came: nothing stands behind the upstream's address.
PATHS: Fixes = (
    _nginx("proxy_pass http://127.0.0.1:5000;"),
    Fix("Caddy", "/etc/caddy/Caddyfile", "reverse_proxy 127.0.0.1:5000"),
    Fix(
        "Traefik",
        "/etc/traefik/dynamic.yml",
        "# no middleware stripPrefix, replacePath or redirectRegex\n"
        "http:\n  routers:\n    berth:\n      middlewares: []",
    ),
)
# Whoever else asks for passwords here takes Berth's own credentials away.
CREDENTIALS: Fixes = (
    _nginx("auth_basic off;", "proxy_set_header Authorization $http_authorization;"),
    Fix(
        "Caddy",
        "/etc/caddy/Caddyfile",
        "# no basic_auth, and no header_up -Authorization\nreverse_proxy 127.0.0.1:5000",
    ),
    Fix(
        "Traefik",
        "/etc/traefik/dynamic.yml",
        "# no middleware basicAuth, digestAuth or forwardAuth\n"
        "http:\n  routers:\n    berth:\n      middlewares: []",
    ),
)
UNCHANGED: Fixes = (
    _nginx("gzip off;"),
    Fix(
        "Caddy",
        "/etc/caddy/Caddyfile",
        "# encode for the pages only\n@pages not path /v2/*\nencode @pages gzip zstd",
    ),
    Fix(
        "Traefik",
        "/etc/traefik/dynamic.yml",
        "# no middleware `compress`\nhttp:\n  routers:\n    berth:\n      middlewares: []",
    ),
)
RANGES: Fixes = (_nginx("proxy_set_header Range $http_range;", "max_ranges 100;"),)


def tls(host: str) -> Fixes:
    """https for a name, which has to lead to the proxy by then."""
    return (
        Fix("Caddy", "/etc/caddy/Caddyfile", f"{host} {{\n\treverse_proxy 127.0.0.1:5000\n}}"),
        Fix(
            "nginx",
            "/etc/nginx/conf.d/berth.conf",
            f"listen 443 ssl;\nserver_name {host};\n"
            f"ssl_certificate /etc/ssl/{host}.pem;\nssl_certificate_key /etc/ssl/{host}.key;",
        ),
        Fix(
            "Traefik",
            "/etc/traefik/dynamic.yml",
            f"http:\n  routers:\n    berth:\n      rule: Host(`{host}`)\n"
            "      entryPoints: [websecure]\n      tls:\n        certResolver: letsencrypt",
        ),
    )


def internal(location: str) -> Fixes:
    """The blob folder below the location that REGISTRY_HTTP_ACCELREDIRECT names, or neither."""
    blobs = "docker/registry/v2/blobs/"
    lines = f"location {location}/{blobs} {{\n    internal;\n    alias /srv/berth/{blobs};\n}}"
    return (
        Fix("nginx", "/etc/nginx/conf.d/berth.conf", lines),
        berth("REGISTRY_HTTP_ACCELREDIRECT", ""),
    )
