"""A real OpenID provider for the tests: django-allauth's, as a Django project of its own.

    python -m tests.accounts.sso.provider FOLDER

It prints its issuer, listens on a free loopback port until its standard input ends, and takes users
at `POST /test/users`.
"""
