"""How often a case may lose the process that it runs in before it fails."""

VANISHED_LIMIT = 5  # ends of a worker over one case
DEATHS_LIMIT = 20  # ends of the pipeline during one case
# The same where Slicer itself did a step: what died there is likely to die again, with the user's scene.
HOST_DEATHS_LIMIT = 3
