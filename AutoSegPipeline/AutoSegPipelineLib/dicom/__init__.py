"""The PACS: receive, find and fetch, send back. Its network lives in a process of its own."""
