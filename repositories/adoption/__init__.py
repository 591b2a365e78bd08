"""Taking over a tree of Docker's registry (the Distribution project's) as it lies on the disk.

```
findings   what is wrong in a tree, one thing each
tree       its records: repositories, and their links, read without following anything out of it
blobs      its bytes, by digest: there or not, of which size, what they hash to
contents   a repository as its records and bytes have it: what can be served, and what not
rows       a repository's rows, written
reports    what is told meanwhile, and in the end
adopting   a whole tree taken over, once, whoever is killed meanwhile
following  the rows of a shadow, made equal to a tree that another registry goes on writing to
```

The first four know neither Django nor rows, and nothing here ever writes below `docker/` of a tree
that is another registry's.
"""
