"""The PACS on the web: who may search which archive, what is asked of the dicom process, its figures."""
