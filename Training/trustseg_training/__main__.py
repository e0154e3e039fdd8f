"""`python -m trustseg_training` is `trustseg-train`."""

import sys

from .cli import main

sys.exit(main())
