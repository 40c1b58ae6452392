"""The pipeline's side of work on other machines."""
