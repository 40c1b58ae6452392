"""The one hand-over of all doors: received bytes, client names and options become jobs."""
