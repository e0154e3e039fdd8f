"""What each `trustseg` command does; `TrustSegLib.cli` reads the command line."""

__all__: list[str] = []
