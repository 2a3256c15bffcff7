"""Experiments that come with tuner, one file each: `python -m tuner run NAME`."""
