"""`python -m swapfill`: the command line."""

import sys

from swapfill.cli import main

if __name__ == "__main__":
    sys.exit(main())
