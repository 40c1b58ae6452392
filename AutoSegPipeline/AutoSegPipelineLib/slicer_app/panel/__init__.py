"""The module's panel: what each part of the .ui shows and does. Runs under Slicer and under PySide6."""
