"""Stand-ins for what the extension TotalSegmentator starts in Slicer: its program, its package and torch."""

from __future__ import annotations

PROGRAM = """
import argparse, os, sys, time
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("-i"), parser.add_argument("-o"), parser.add_argument("--task", default="total")
parser.add_argument("--roi_subset", nargs="*"), parser.add_argument("--device")
for flag in ("--ml", "--fast", "--fastest"):
    parser.add_argument(flag, action="store_true")
given = parser.parse_args()
do = Path(__file__).with_name("do").read_text().split()
print("If you use this tool please cite: nobody", flush=True)
for step in range(0, 101, 20):
    sys.stderr.write(f"\\r {step}%|####      | {step}/100 [00:01<00:01]")
    sys.stderr.flush()
    time.sleep(0.15)
    if step == 40 and "hang" in do:
        print("\\nhanging", flush=True)
        time.sleep(600)
if "die" in do:
    sys.exit("CUDA out of memory")
import SimpleITK, numpy
image = SimpleITK.ReadImage(given.i)
voxels = SimpleITK.GetArrayFromImage(image)
labels = numpy.zeros(voxels.shape, numpy.uint8)
for value, (low, high) in {1: (-2000, -600), 2: (200, 4000)}.items():
    labels[(voxels > low) & (voxels < high)] = value
labels[:2] = 0
made = SimpleITK.GetImageFromArray(labels)
made.CopyInformation(image)
assert given.ml
SimpleITK.WriteImage(made, given.o + ".nii")
print("Saved in 0.1s", flush=True)
"""
TORCH = """
has_cuda = False
class backends:
    class cuda:
        is_built = staticmethod(lambda: False)
    class mps:
        is_available = staticmethod(lambda: False)
class cuda:
    is_available = staticmethod(lambda: False)
"""
CLASSES = 'class_map = {"total": {1: "lung_upper_lobe_left", 2: "sacrum"}}\n'
