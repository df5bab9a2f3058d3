#!/usr/bin/env python
"""The same as `mmfer data prepare`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['data', 'prepare', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
