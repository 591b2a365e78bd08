"""Leaving: a tree that Docker's registry serves, out of a Berth that is in use.

```
tree       the tree on disk: where the Distribution project has what
fallback   tags for clients that know no referrers API, which that registry lacks
rows       the rows of one moment, in a file beside the tree
exporting  what the command does
```
"""
