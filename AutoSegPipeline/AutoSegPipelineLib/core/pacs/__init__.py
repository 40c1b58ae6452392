"""What every process may know of the PACS: the administrator's ``dicom.json``, and what was exchanged."""
