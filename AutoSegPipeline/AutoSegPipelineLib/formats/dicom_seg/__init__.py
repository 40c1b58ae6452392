"""DICOM segmentation objects (PS3.3 A.51 and its label map form): header, grid, frames."""
