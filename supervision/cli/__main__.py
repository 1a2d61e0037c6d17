"""``python -m supervision.cli`` is the console script ``copytrader``, of the tree that it is run in."""

from supervision.cli import main

main()
