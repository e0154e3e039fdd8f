"""Cases on the disk: which images a folder holds, where their results go, and the files that are written.

What the command line and the background process of the Slicer module do in the same way.
"""

__all__: list[str] = []
