import sys

from mmfer.cli import main

if __name__ == '__main__':
    sys.exit(main())
