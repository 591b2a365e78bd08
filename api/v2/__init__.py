"""`/v2/`: the door of the OCI distribution-spec.

A request comes in by `mount.py` (straight from the WSGI server, or through Django's middleware) and
becomes a `Request`; `endpoint.py` authenticates, authorises and dispatches it by the table in
`routes.py`; a handler, one file per noun of the specification, answers with a `Response`.
"""
