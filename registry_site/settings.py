"""Django settings. What an operator may set is read here, through `env`, and nowhere else.

Names that users of Docker's `registry` image know keep their spelling (`REGISTRY_…`).
"""

from pathlib import Path
from typing import Any

import dj_database_url

from registry_site import data_folder, env

BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things are -------------------------------------------------------------------------

DATA_FOLDER = data_folder.prepare(Path(env.text("REGISTRY_DATA") or BASE_DIR / "var").resolve())
SECRET_KEY = env.text("SECRET_KEY") or data_folder.secret_key(DATA_FOLDER)
DEBUG = env.flag("DEBUG", default=False)

BLOB_STORAGE: dict[str, Any] = {
    "BACKEND": "repositories.storage.filesystem.FilesystemStorage",
    "OPTIONS": {
        "root": Path(
            env.text("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY") or DATA_FOLDER
        ).resolve(),
    },
}


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL") or f"sqlite:///{DATA_FOLDER / 'berth.sqlite3'}"
    database: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=None))
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = {
            # A transaction that reads first and writes later would fail at once when another
            # writer came between; taking the write lock at BEGIN makes it wait its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # FULL: with NORMAL a power cut can undo a commit that was already acknowledged.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        database["CONN_HEALTH_CHECKS"] = True
        database["OPTIONS"] = {
            "connect_timeout": 5,
            # Prepared on their second use: planning the look-ups of a pull took longer than
            # running them.
            "server_side_binding": True,
            "prepare_threshold": 2,
            **database.get("OPTIONS", {}),
        }
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the registry -----------------------------------------------------------------------------

# What people who have not signed in may do: nothing, pull public repositories, or push as well.
ANONYMOUS_ACCESS = env.choice("REGISTRY_ANONYMOUS_ACCESS", "none", ("none", "pull", "push"))
# Set by `serve --open` for the processes that it starts: everybody may do everything.
OPEN_ACCESS = env.flag("BERTH_OPEN_ACCESS", default=False)
# The address that clients use, such as https://registry.example.com; by default it is taken from
# each request.
PUBLIC_URL = env.text("REGISTRY_HTTP_HOST").rstrip("/")
RELATIVE_URLS = env.flag("REGISTRY_HTTP_RELATIVEURLS", default=False)
# Peers whose Forwarded and X-Forwarded-* headers are believed: addresses or networks.
TRUSTED_PROXIES = env.words("REGISTRY_HTTP_TRUSTEDPROXIES", ("127.0.0.1", "::1"))
# The internal location under which nginx serves the blob folder; empty: Berth sends the bytes.
ACCEL_REDIRECT = env.text("REGISTRY_HTTP_ACCELREDIRECT").rstrip("/")
DELETE_ENABLED = env.flag("REGISTRY_STORAGE_DELETE_ENABLED", default=True)
CATALOG_MAX_ENTRIES = env.integer("REGISTRY_CATALOG_MAXENTRIES", 1000, least=1, most=100_000)
TAGS_MAX_TAGS = env.integer("REGISTRY_TAGS_MAXTAGS", 1000, least=1, most=100_000)
UPLOAD_PURGING_ENABLED = env.flag(
    "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", default=True
)
UPLOAD_PURGING_AGE = env.duration("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "168h")
UPLOAD_PURGING_INTERVAL = env.duration("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL", "24h")
UPLOAD_PURGING_DRY_RUN = env.flag(
    "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN", default=False
)

# --- Django -----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "accounts",
    "repositories",
    "registry_site",
]
# None of this stands before /v2/: see registry_site/wsgi.py.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "registry_site.urls"
WSGI_APPLICATION = "registry_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# A registry answers under whatever name its clients reach it by; PUBLIC_URL is what links use.
ALLOWED_HOSTS = ["*"]
# A slash that is appended by a redirect loses the body of the request.
APPEND_SLASH = False
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Static files are served from where they lie: no collectstatic step to forget on an upgrade.
WHITENOISE_USE_FINDERS = True
SILENCED_SYSTEM_CHECKS = [
    # HTTPS is the business of whoever terminates TLS; on loopback there is none.
    "security.W004",
    "security.W008",
]

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.choice(
            "REGISTRY_LOG_LEVEL", "info", ("error", "warn", "info", "debug")
        ).upper(),
    },
}
