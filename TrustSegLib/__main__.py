"""`python -m TrustSegLib`: the same as the command `trustseg`."""

import sys

from TrustSegLib.cli import main

sys.exit(main())
