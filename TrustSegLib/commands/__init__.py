"""The `trustseg` commands; `TrustSegLib.cli` parses the command line."""

__all__: list[str] = []
