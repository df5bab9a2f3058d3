"""Folders of many files: in shards, by several processes, on from where they were stopped."""
