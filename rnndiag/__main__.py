"""`python -m rnndiag`."""

from rnndiag.cli import main

main()
