"""Bytes from the network become inputs of the pipeline: streamed, checked, durable, then handed over."""
