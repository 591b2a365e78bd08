"""gunicorn's settings. `manage.py serve` uses this file; so can `gunicorn -c`, by itself."""

import os
import sys

from registry_site import env, http_settings, tls

wsgi_app = "registry_site.wsgi"
bind = env.text("REGISTRY_HTTP_ADDR", "127.0.0.1:5000")
if bind.startswith(":"):  # as users of Docker's registry image write it
    bind = f"0.0.0.0{bind}"
env.choice("REGISTRY_HTTP_NET", "tcp", ("tcp",))

worker_class = "registry_site.worker.Worker"
# Two on any machine: while one hashes or talks to the database, the other answers.
workers = env.integer("REGISTRY_WORKERS", max(2, min(os.cpu_count() or 2, 4)), least=1, most=64)
# A transfer occupies a thread from beginning to end, so there are many; and each may hold a
# database connection, of which PostgreSQL has 100 unless told otherwise.
threads = env.integer("REGISTRY_THREADS", max(64 // workers, 4), least=1, most=1024)
worker_connections = 1000
# Loaded once and forked: the workers share the memory of the code.
preload_app = True

# How long a worker may give no sign of life; its threads may take as long as they like.
timeout = 60
# Signs of life are in memory: a busy disk could hold them up, and a container may have no disk that
# it may write to.
_memory = "/dev/shm"  # noqa: S108  (the files have no name there)
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None
keepalive = 75
# A stop lets transfers end for this long.
graceful_timeout = int(env.duration("REGISTRY_HTTP_DRAINTIMEOUT", "300s"))
# A worker that is replaced after so many requests would cut off uploads.
max_requests = 0

# Who is behind a proxy is decided in api/v2/links.py, for every server alike.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

_tls_files = http_settings.tls_files()
if _tls_files:
    _certificates = tls.Certificates(_tls_files)
    certfile, keyfile = str(_tls_files.certificate), str(_tls_files.key)


def ssl_context(config: object, default_factory: object) -> object:
    """What each new connection is wrapped with: the certificate as it is now."""
    return _certificates.context()


limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

loglevel = env.choice(
    "REGISTRY_LOG_LEVEL", "warning", ("error", "warn", "warning", "info", "debug")
)
loglevel = {"warn": "warning"}.get(loglevel, loglevel)
logger_class = "registry_site.server_log.ServerLogger"
accesslog = None if env.flag("REGISTRY_LOG_ACCESSLOG_DISABLED", default=True) else "-"
control_socket_disable = True


def on_starting(server):
    """The application is loaded, and no worker runs yet: look whether the database is ours.

    `serve` and every command look themselves.
    """
    # Not above: this file is read before Django is set up.
    from django.db import connection  # noqa: PLC0415

    from repositories.checks import check_schema  # noqa: PLC0415

    problems = check_schema()
    connection.close()  # a worker must not inherit it
    if problems:
        sys.exit(f"{problems[0].msg} {problems[0].hint}")
