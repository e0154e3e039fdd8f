"""Segmentation jobs in the background: one image, a batch, and their worker process."""
