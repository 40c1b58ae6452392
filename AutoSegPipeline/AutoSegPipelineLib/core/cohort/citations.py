"""Works that a paper with our results should cite, as BibTeX: by key, and by library of the manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Citation:
    """``fields`` are BibTeX's, in their order."""

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]

    def bibtex(self) -> str:
        """The entry as text."""
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in self.fields)
        return f"@{self.kind}{{{self.key},\n{lines}\n}}\n"


def _article(key: str, author: str, title: str, journal: str, year: str, doi: str, **more: str) -> Citation:
    fields = (("author", author), ("title", title), ("journal", journal), ("year", year))
    return Citation(key, "article", (*fields, *more.items(), ("doi", doi)))


TOTALSEGMENTATOR = _article(
    "wasserthal2023totalsegmentator",
    "Wasserthal, Jakob and Breit, Hanns-Christian and Meyer, Manfred T. and Pradella, Maurice and Hinck, Daniel "
    "and Sauter, Alexander W. and Heye, Tobias and Boll, Daniel T. and Cyriac, Joshy and Yang, Shan and Bach, "
    "Michael and Segeroth, Martin",
    "{TotalSegmentator}: Robust Segmentation of 104 Anatomic Structures in {CT} Images",
    "Radiology: Artificial Intelligence", "2023", "10.1148/ryai.230024", volume="5", number="5", pages="e230024",
)  # fmt: skip
TOTALSEGMENTATOR_MR = _article(
    "dantonoli2025totalsegmentatormri",
    "Akinci D'Antonoli, Tugba and Berger, Lucas K. and Indrakanti, Ashraya K. and Vishwanathan, Nathan and Weiss, "
    "Jakob and Jung, Matthias and Berkarda, Zeynep and Rau, Alexander and Reisert, Marco and K{\\\"u}stner, Thomas "
    "and Walter, Alexandra and Merkle, Elmar M. and Boll, Daniel T. and Breit, Hanns-Christian and Nicoli, Andrew "
    "Phillip and Segeroth, Martin and Cyriac, Joshy and Yang, Shan and Wasserthal, Jakob",
    "{TotalSegmentator} {MRI}: Robust Sequence-independent Segmentation of Multiple Anatomic Structures in {MRI}",
    "Radiology", "2025", "10.1148/radiol.241613", volume="314", number="2", pages="e241613",
)  # fmt: skip
NNUNET = _article(
    "isensee2021nnunet",
    "Isensee, Fabian and Jaeger, Paul F. and Kohl, Simon A. A. and Petersen, Jens and Maier-Hein, Klaus H.",
    "{nnU-Net}: a self-configuring method for deep learning-based biomedical image segmentation",
    "Nature Methods", "2021", "10.1038/s41592-020-01008-z", volume="18", number="2", pages="203--211",
)  # fmt: skip
SLICER = _article(
    "fedorov2012slicer",
    "Fedorov, Andriy and Beichel, Reinhard and Kalpathy-Cramer, Jayashree and Finet, Julien and Fillion-Robin, "
    "Jean-Christophe and Pujol, Sonia and Bauer, Christian and Jennings, Dominique and Fennessy, Fiona and "
    "Sonka, Milan and Buatti, John and Aylward, Stephen and Miller, James V. and Pieper, Steve and Kikinis, Ron",
    "{3D Slicer} as an image computing platform for the Quantitative Imaging Network",
    "Magnetic Resonance Imaging", "2012", "10.1016/j.mri.2012.05.001", volume="30", number="9", pages="1323--1341",
)  # fmt: skip
NUMPY = _article(
    "harris2020numpy", "Harris, Charles R. and Millman, K. Jarrod and van der Walt, St{\\'e}fan J. and others",
    "Array programming with {NumPy}", "Nature", "2020", "10.1038/s41586-020-2649-2", volume="585", pages="357--362",
)  # fmt: skip
SCIPY = _article(
    "virtanen2020scipy", "Virtanen, Pauli and Gommers, Ralf and Oliphant, Travis E. and others",
    "{SciPy} 1.0: fundamental algorithms for scientific computing in {Python}", "Nature Methods", "2020",
    "10.1038/s41592-019-0686-2", volume="17", pages="261--272",
)  # fmt: skip
SIMPLEITK = _article(
    "lowekamp2013simpleitk",
    "Lowekamp, Bradley C. and Chen, David T. and Ib{\\'a}{\\~n}ez, Luis and Blezek, Daniel",
    "The Design of {SimpleITK}", "Frontiers in Neuroinformatics", "2013", "10.3389/fninf.2013.00045",
    volume="7", pages="45",
)  # fmt: skip
VTK = Citation(
    "schroeder2006vtk", "book",
    (
        ("author", "Schroeder, Will and Martin, Ken and Lorensen, Bill"),
        ("title", "The Visualization Toolkit: An Object-Oriented Approach to {3D} Graphics"),
        ("edition", "4"), ("publisher", "Kitware"), ("year", "2006"),
    ),
)  # fmt: skip
WORKS: dict[str, Citation] = {
    one.key: one
    for one in (TOTALSEGMENTATOR, TOTALSEGMENTATOR_MR, NNUNET, SLICER, NUMPY, SCIPY, SIMPLEITK, VTK)
}
# By the name in the manifest.
OF_LIBRARY: dict[str, Citation] = {"numpy": NUMPY, "scipy": SCIPY, "SimpleITK": SIMPLEITK, "vtk": VTK}


def this_program(version: str) -> Citation:
    """AutoSegPipeline has no paper: the program is cited in its version."""
    return Citation(
        "autosegpipeline", "software",
        (
            ("author", "{AutoSegPipeline contributors}"),
            ("title", "{AutoSegPipeline}: from a dropped scan to named {3D} anatomy"), ("version", version),
        ),
    )  # fmt: skip
