"""`python -m datactl`."""

from datactl.cli import main

raise SystemExit(main())
