"""DICOM: reading headers, grouping instances into stacks, converting a stack into one volume."""
