# Slicer sets up CPack here; the tests install into a folder instead.
