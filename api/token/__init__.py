"""`/token`: the token service (Distribution's token authentication; OAuth 2.0, RFC 6749).

Credentials and scopes in, a short-lived signed token out. What the token allows is decided here, by
`repositories/access.py`, and nowhere again while it is valid.
"""
