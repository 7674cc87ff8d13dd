"""`python -m quorate.cli`: the command, where it is not installed as `quorate`."""

import sys

from quorate.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
