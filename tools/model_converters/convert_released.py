#!/usr/bin/env python
"""Convert released weights: the same as `mmfer convert`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['convert', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
