#!/usr/bin/env python
"""Test a checkpoint: the same as `mmfer test`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['test', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
