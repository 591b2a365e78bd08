"""Signing in by others: OpenID Connect, LDAP, htpasswd files, jobs' tokens; the second factor."""
