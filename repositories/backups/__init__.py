"""Backups: snapshots of the database, and the blobs that they name.

```
archive   the backup folder: what is in it, and who is at it
files     files copied so that they survive a power cut
programs  pg_dump and pg_restore: which of those that are there
database  the database saved, put back and looked at, as the settings say
images    which images are made of a blob
taking    blobs taken out of the storage, here and by exports
saving, verifying, restoring    what the commands do
```
"""
