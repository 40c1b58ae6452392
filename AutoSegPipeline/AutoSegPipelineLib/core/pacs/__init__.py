"""Images from and to a PACS: the administrator's file, rules for series, what the dicom child noted."""
