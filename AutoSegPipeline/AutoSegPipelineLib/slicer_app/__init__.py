"""What only runs inside 3D Slicer; the one room that imports slicer."""
