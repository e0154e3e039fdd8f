"""The running application: its packages, models, settings and dialogs."""
