"""Cases on disk: the images of a folder, where their results go, and the files that are written.

Shared by the command line and the background process of the Slicer module.
"""

__all__: list[str] = []
