"""DICOM objects of a result, on the slices of the series that it was made of.

Segmentation, measurement report, encapsulated STL, secondary capture. :mod:`.build` is the main of a child
process; pydicom and highdicom are imported where they are used.
"""
