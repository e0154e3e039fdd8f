"""The MRML scene: maps, overlay, legend, surface, segmentation, geometry, inputs and views."""
