#!/usr/bin/env python
"""Compare heads or whole methods: the same as `mmfer compare`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['compare', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
