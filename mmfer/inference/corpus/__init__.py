"""Predicts folders of many files: in shards, by several processes, and resumable."""
