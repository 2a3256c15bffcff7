"""`python -m tuner`."""

from tuner.experiment.imports import ours_first

if __name__ == "__main__":  # a process that multiprocessing spawns imports this file too
    ours_first()  # before anything else is imported, and a user's file of its name with it

    from tuner.cli.app import main

    main()
