"""`python -m tuner`."""

from tuner.cli.app import main

if __name__ == "__main__":  # a process that multiprocessing spawns imports this file too
    main()
