#!/usr/bin/env python
"""Expressions of the faces in photos and folders: the same as `mmfer predict`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['predict', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
