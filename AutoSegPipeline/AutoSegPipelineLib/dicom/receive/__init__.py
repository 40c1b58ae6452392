"""The storage SCP: associations, files on disk, complete series, hand-over."""
