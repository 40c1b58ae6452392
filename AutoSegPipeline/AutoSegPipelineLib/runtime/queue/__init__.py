"""Queued cases, the workers that compute them, and the cache of results."""
