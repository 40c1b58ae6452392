"""HTTP below the routes: sockets, timeouts, large bodies, streams, files."""
