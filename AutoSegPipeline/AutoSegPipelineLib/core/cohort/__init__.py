"""All cases of a folder or a home as one table, and what a paper has to say about them."""
