"""`python -m tiktok_forwarder`: the command line."""

from tiktok_forwarder.cli.main import main

main()
