#!/usr/bin/env python
"""The same as `mmfer plot curves`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['plot', 'curves', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
