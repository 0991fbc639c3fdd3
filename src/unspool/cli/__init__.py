"""The command line: parses, calls, prints. Results go to stdout, everything else to stderr."""

from unspool.cli.apps import app
from unspool.cli.main import main, spread

__all__ = ["app", "main", "spread"]
