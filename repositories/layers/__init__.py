"""What is inside layers: files listed without ever being extracted (image-spec, "Image Layer").

```
listing | merged          what callers use: start, progress, opened
  process | cache         child processes, and the folder of finished listings
  worker                  the child: no Django, no network, little memory, little time
    reader | overlay      one layer's entries; the layers of an image on top of each other
      headers | compression
    tree | store          files in folders, and the SQLite file that a listing is
      limits
```

Everything from `worker` down is imported by the child too, so it imports nothing of Django.
"""
