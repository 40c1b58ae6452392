"""The picture of a case: surfaces from two sides, three slices, letters in the margins.

Slices are made where the scan is in memory (:mod:`.sections`); the rest runs in a process of its own
(:mod:`.process`) that :mod:`..picture` starts.
"""
