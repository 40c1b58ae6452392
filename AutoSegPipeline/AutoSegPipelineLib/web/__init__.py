"""The web page and the HTTP API: the application and the web child's main."""
