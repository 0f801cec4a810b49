"""`python -m emo_toolkit`."""

import sys

from .cli import main

sys.exit(main())
