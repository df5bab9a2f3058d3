#!/usr/bin/env python
"""Train the model of a config: the same as `mmfer train`."""

import sys

from mmfer.cli import main as mmfer


def main() -> int:
    return mmfer(['train', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
