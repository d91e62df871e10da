"""One file per command: ``add_to`` describes it to argparse, ``call`` carries it out and imports what it needs then."""
