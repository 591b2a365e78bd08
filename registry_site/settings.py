"""Django settings. What an operator may set is read here, through `env`, and nowhere else.

Names that users of Docker's `registry` image know keep their spelling (`REGISTRY_…`). What that has
and Berth has not is in `distribution`.
"""

from pathlib import Path
from typing import Any

import dj_database_url

from registry_site import (
    __version__,
    data_folder,
    distribution,
    env,
    http_settings,
    log_format,
    sign_on,
)

distribution.refuse()

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = __version__

# --- where things are -------------------------------------------------------------------------

_data = Path(env.text("REGISTRY_DATA", str(BASE_DIR / "var"))).resolve()
# The root of a tree that another registry goes on writing to, and that this one only shows.
SHADOW = data_folder.shadowed(env.text("REGISTRY_SHADOW"), _data)
DATA_FOLDER = data_folder.prepare(_data)
SECRET_KEY = env.text("SECRET_KEY") or data_folder.secret_key(DATA_FOLDER)
DEBUG = env.flag("DEBUG", default=False)

env.choice("REGISTRY_STORAGE", "filesystem", ("filesystem",))
BLOB_STORAGE: dict[str, Any] = {
    "BACKEND": "repositories.storage.filesystem.FilesystemStorage",
    "OPTIONS": {
        "root": Path(
            env.text("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", str(DATA_FOLDER))
        ).resolve(),
    },
}
if SHADOW:
    BLOB_STORAGE = {
        "BACKEND": "repositories.storage.shadow.ShadowStorage",
        "OPTIONS": {"root": DATA_FOLDER, "tree": Path(SHADOW)},
    }


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL", f"sqlite:///{DATA_FOLDER / 'berth.sqlite3'}")
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
        database["ENGINE"] = "repositories.postgresql"  # Django's, and more (decision 26)
        database["CONN_HEALTH_CHECKS"] = True
        database["OPTIONS"] = {
            "connect_timeout": 5,
            # A host that is gone without a word is noticed in seconds, not in a quarter of an hour.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
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
# Everything is below this path, such as /registry; empty: at the top.
HTTP_PREFIX = http_settings.prefix()
# The address that clients use, such as https://registry.example.com; by default it is taken from
# each request. API_PREFIX is where the API is below it, as clients see it.
PUBLIC_URL, API_PREFIX = http_settings.public_address(HTTP_PREFIX)
# What /v2/ and /token say in each answer besides, such as for browsers of other sites.
HTTP_HEADERS = http_settings.headers()
# Whether Berth itself speaks HTTPS (registry_site/tls.py).
IS_TLS = bool(http_settings.tls_files())
RELATIVE_URLS = env.flag("REGISTRY_HTTP_RELATIVEURLS", default=False)
# Peers whose Forwarded and X-Forwarded-* headers are believed: addresses or networks.
TRUSTED_PROXIES = env.words("REGISTRY_HTTP_TRUSTEDPROXIES", ("127.0.0.1", "::1"))
# The internal location under which nginx serves the blob folder; empty: Berth sends the bytes.
ACCEL_REDIRECT = env.text("REGISTRY_HTTP_ACCELREDIRECT").rstrip("/")
# The token service: who signs, for whom, and for which other registries it may sign as well.
TOKEN_SERVICE = env.text("REGISTRY_AUTH_TOKEN_SERVICE", "berth")
TOKEN_ISSUER = env.text("REGISTRY_AUTH_TOKEN_ISSUER", "berth")
TOKEN_OTHER_SERVICES = env.words("REGISTRY_AUTH_TOKEN_OTHERSERVICES")
# An htpasswd file (bcrypt) whose users may do everything, as with Docker's registry.
HTPASSWD_PATH = http_settings.htpasswd_path()
# What a browser or curl shows when it asks for a password.
BASIC_REALM = http_settings.basic_realm()
# Issuers of CI tokens that teams may trust; administrators may make rules with any other.
TRUSTED_ISSUERS = env.words(
    "REGISTRY_AUTH_TRUSTEDISSUERS",
    ("https://token.actions.githubusercontent.com", "https://gitlab.com"),
)
AUDIT_RETENTION = env.duration("REGISTRY_AUDIT_RETENTION", "8760h")
DELETE_ENABLED = env.flag("REGISTRY_STORAGE_DELETE_ENABLED", default=True)
# Nothing is pushed, deleted or collected then (repositories/read_only.py).
READ_ONLY = env.flag("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", default=False) or bool(SHADOW)
# Whether a first start takes over a tree of Docker's registry that lies in the storage
# (repositories/adoption/).
ADOPT = env.flag("REGISTRY_ADOPT", default=True)
# Whether processes remember what they have just looked up (repositories/memory.py).
REMEMBER_ANSWERS = env.flag("REGISTRY_REMEMBER_ANSWERS", default=True)
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
# Removing what nothing needs (repositories/garbage.py): after how long, and for manifests that no
# tag leads to, after how many days; 0 keeps those.
GARBAGE_ENABLED = env.flag("REGISTRY_GARBAGE_ENABLED", default=True)
GARBAGE_GRACE = env.duration("REGISTRY_GARBAGE_GRACE", "24h")
GARBAGE_UNTAGGED = env.integer("REGISTRY_GARBAGE_UNTAGGED", 0, least=0, most=36_500)
# Looking whether what is stored is still what was pushed (repositories/scrub.py): how fast it is
# read, and after how many days again.
SCRUB_ENABLED = env.flag("REGISTRY_SCRUB_ENABLED", default=True)
SCRUB_RATE = env.rate("REGISTRY_SCRUB_RATE", "20MB/s")
SCRUB_INTERVAL_DAYS = env.integer("REGISTRY_SCRUB_INTERVAL_DAYS", 30, least=1, most=3650)

# --- single sign-on, and the second factor ------------------------------------------------------

OIDC = sign_on.oidc()
LDAP = sign_on.ldap()
# Which groups of the identity provider, by OIDC or LDAP, give which role in which team.
GROUP_TEAMS = sign_on.group_teams("REGISTRY_GROUP_TEAMS")
ADMIN_GROUP = env.text("REGISTRY_ADMIN_GROUP")

# django-allauth does OpenID Connect and the second factor, and nothing else: no page of its for
# signing up, passwords or e-mail has an address (accounts/web/sign_on_urls.py).
SOCIALACCOUNT_PROVIDERS = sign_on.allauth_providers(OIDC)
SOCIALACCOUNT_ADAPTER = "accounts.web.oidc.SocialAccountAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_ADAPTER = "accounts.web.entry.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_ADAPTER = "accounts.second_factor.MFAAdapter"
MFA_FORMS = {
    "activate_totp": "accounts.web.second_factor.ActivateForm",
    "authenticate": "accounts.web.second_factor.AuthenticateForm",
    "reauthenticate": "accounts.web.second_factor.ReauthenticateForm",
}
# Clocks of telephones differ a little.
MFA_TOTP_TOLERANCE = 1

# --- the management API -------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.v1.authentication.Credentials"],
    "DEFAULT_PERMISSION_CLASSES": ["api.v1.permissions.SignedIn"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.v1.errors.handle",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Berth: the management API",
    "DESCRIPTION": "Users, teams, robots, tokens, and the settings of repositories.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_PATCH": False,  # a PATCH can have required fields, too
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["api.v1.schema.complete"],
    "PATH_CONVERTER_OVERRIDES": {
        "name": {"type": "string", "pattern": "^[a-z0-9._-]+$", "maxLength": 255},
        "repository": {"type": "string", "pattern": "^[a-z0-9._/-]+$", "maxLength": 255},
        "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"},
    },
}

# The first administrator's: `serve` reads it, once.
env.asked["REGISTRY_ADMIN_PASSWORD"] = ""

# --- Django -----------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Before our own, whose admin takes theirs out of the site.
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "drf_spectacular_sidecar",  # the scripts of /api/v1/docs/
    "accounts",
    "repositories",
    "registry_site",
]
MIDDLEWARE = [
    "api.mount.middleware",  # nothing else stands before /v2/ and /token
    "registry_site.proxies.middleware",
    "django.middleware.security.SecurityMiddleware",
    "registry_site.content_security.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "registry_site.language.middleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.web.signed_in.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
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
                "registry_site.context.site",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    *(["accounts.htpasswd.HtpasswdBackend"] if HTPASSWD_PATH else []),
    *(["accounts.ldap.LDAPBackend"] if LDAP else []),
]
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
# Says which proxy tells what wrong, which is the most usual reason.
CSRF_FAILURE_VIEW = "accounts.web.proxy.form_refused"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
FORCE_SCRIPT_NAME = HTTP_PREFIX or None
SECURE_REFERRER_POLICY = "same-origin"

# --- the pages --------------------------------------------------------------------------------

# Cookies know no ports: names of our own keep other Django sites on the host out of the way.
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = "berth_session"
CSRF_COOKIE_NAME = "berth_csrf"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{HTTP_PREFIX}/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_TLS or PUBLIC_URL.startswith("https://")
# Browsers then come by https only, for a year from their last visit.
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SESSION_COOKIE_SECURE else 0
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
# Where else forms may lead, such as a single sign-on provider: browsers hold redirects after a
# form to `form-action` of the content security policy.
CONTENT_SECURITY_FORM_TARGETS = ["/".join(OIDC["issuer"].split("/")[:3])] if OIDC else []

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LANGUAGE_COOKIE_NAME = "berth_language"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = f"{HTTP_PREFIX}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Static files are served from where they lie: no collectstatic step to forget on an upgrade.
WHITENOISE_USE_FINDERS = True
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains: those are other people's sites
    "security.W008",  # plain HTTP is turned away by whoever terminates TLS
    "security.W021",  # HSTS by preloading: that is for the owner of the whole domain to ask for
]

_LOG_LINE = log_format.formatter()
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": lambda: _LOG_LINE}},
    "filters": {"one_line": {"()": "registry_site.request_log.OneLine"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["one_line"],
        }
    },
    "root": {
        "handlers": ["console"],
        "level": env.choice(
            "REGISTRY_LOG_LEVEL", "info", ("error", "warn", "info", "debug")
        ).upper(),
    },
}
