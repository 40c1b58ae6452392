"""A folder of many scans: which ones there are, which are done, and one after the other into the pipeline."""
