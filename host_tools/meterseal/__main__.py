"""`python -m meterseal`: the same as the command `meterseal`."""

from meterseal.cli.main import main

main()
