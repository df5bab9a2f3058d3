#!/usr/bin/env python
"""A page to try a model in the browser: the same as `mmfer app`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['app', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
