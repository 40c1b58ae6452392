"""A small web server on Slicer's event loop, with nothing to install.

``head`` and ``bodies`` read requests, ``multipart`` splits uploads, ``connection``
moves bytes without ever blocking, ``site`` has the routes, ``receiving`` writes
uploads to the disk; ``embedded`` puts them on Slicer's own WebServer classes and
``stock_handler`` below a stock Slicer web server.
"""
