"""`python -m dicebeam`: the command line, where the script is not on the PATH."""

from .pipeline.cli import main

if __name__ == "__main__":
    main()
