"""What a person is told when nodes of the scene cannot be used."""

from __future__ import annotations


class SceneError(Exception):
    """A node is not what is needed; the message is one line that names the node and what to do."""
