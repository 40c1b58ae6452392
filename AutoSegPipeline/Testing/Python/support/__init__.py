"""What tests share: phantoms, fakes, drivers, servers, a browser. Nothing here is a test."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TESTS = FOLDER.parent
MODULE = TESTS.parents[1]  # the folder AutoSegPipeline, parent of the library
ROOT = MODULE.parent
