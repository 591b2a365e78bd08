"""`/api/v1/`: everything that the pages do with people, teams, tokens and settings, for programs.

Django REST framework carries it, drf-spectacular describes it. No rule of its own: each operation
calls the domain function that the page calls, as the principal of the request.
"""
