"""`manage.py doctor`: the public address of a registry, tried as its clients would.

From the outside, so that everything between counts: names, TLS, and proxies that refuse, keep,
rewrite or drop what passes through them. `wire` speaks HTTP; `reaching`, `answers` and `transfers`
look; `examination` says in which order.
"""
