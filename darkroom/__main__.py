"""`python -m darkroom` is the `darkroom` command."""

import sys

from darkroom.cli import main

sys.exit(main())
