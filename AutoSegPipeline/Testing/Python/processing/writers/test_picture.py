"""The picture: drawn elsewhere, left is left, and a machine that cannot draw loses nothing else."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import SimpleITK
from AutoSegPipelineLib.core.errors import Cancelled
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.processing import picture
from AutoSegPipelineLib.processing.case import Case
from AutoSegPipelineLib.processing.drawing import scene
from AutoSegPipelineLib.processing.drawing.sections import make_sections
from AutoSegPipelineLib.processing.drawing.sheet import arrange
from AutoSegPipelineLib.processing.measure import measure
from AutoSegPipelineLib.processing.picture import Painter, begin_picture
from AutoSegPipelineLib.processing.process import process_case
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import DIRECTIONS, case_message, grid, two_layers
from support.programs import missing

pytestmark = pytest.mark.slow


@pytest.fixture
def painter():
    """A drawing process for one test."""
    made = Painter()
    yield made
    made.close()


def red_left_blue_right(handed):
    """Two balls: red on the patient's left and front, blue on the right, back and above."""
    on = grid((40, 40, 40), DIRECTIONS[handed], spacing=(2, 2, 2), origin=(0, 0, 0))
    k, j, i = np.indices(on.array_shape)
    affine = np.asarray(on.affine)
    lps = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T
    middle = lps.reshape(-1, 3).mean(axis=0)
    layer = np.zeros(on.array_shape, np.uint8)
    layer[np.linalg.norm(lps - middle - (18, -12, -10), axis=-1) < 9] = 1
    layer[np.linalg.norm(lps - middle - (-18, 12, 10), axis=-1) < 9] = 2
    segments = (Segment(0, 1, "red", "Red", (1, 0, 0)), Segment(0, 2, "blue", "Blue", (0, 0, 1)))
    segmentation = Segmentation(on, [layer], segments)
    sections = make_sections(segmentation, measure(segmentation, None), None, "")
    return make_surfaces(segmentation, detail=1.0), sections


def draw(painter, surfaces, sections, folder):
    shot = begin_picture(folder / "p.png", surfaces, sections, folder, painter)
    problem = shot.wait(SilentReport())
    if "OpenGL" in problem:
        if sys.platform == "linux":
            missing(f"no OpenGL library on this machine: {problem}")
        pytest.skip(f"no OpenGL on this machine: {problem}")
    assert problem == ""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "p.png")))[..., :3].astype(int)


def where(image, channel):
    """Mean column and row of the pixels in which one colour stands out."""
    others = [n for n in range(3) if n != channel]
    rows, columns = np.nonzero(image[..., channel] - image[..., others].max(axis=-1) > 60)
    assert len(rows) > 100
    return columns.mean(), rows.mean()


@pytest.mark.parametrize("handed", ["straight", "left-handed", "permuted"])
def test_the_patients_left_is_on_the_right_and_the_head_is_up(painter, tmp_path, handed):
    surfaces, sections = red_left_blue_right(handed)
    image = draw(painter, surfaces, sections, tmp_path)
    sizes = scene.view_sizes(surfaces, sections.mm_per_pixel)
    sizes = [*sizes, *((one.shape[1], one.shape[0]) for one in sections.images)]
    (wide, high), places = arrange(sizes, sections.in_a_row)
    assert image.shape == (high, wide, 3)
    front, side = (image[y : y + h, x : x + w] for (x, y), (w, h) in zip(places[:2], sizes))
    (red, red_row), (blue, blue_row) = where(front, 0), where(front, 2)
    assert red > blue + 100 and red_row > blue_row + 50  # seen from the front, left is right
    (red, _), (blue, _) = where(side, 0), where(side, 2)
    assert red < blue - 50  # seen from the patient's left, the front is left
    for (x, y), (w, h), slice_ in zip(places[2:], sizes[2:], sections.images):
        assert np.array_equal(image[y : y + h, x : x + w], slice_)
    assert not list(tmp_path.glob("picture-*"))


def test_the_same_case_gives_the_same_picture(painter, tmp_path):
    case = red_left_blue_right("oblique")
    assert np.array_equal(draw(painter, *case, tmp_path), draw(painter, *case, tmp_path))


def test_many_surfaces_are_drawn_as_one_and_look_the_same(painter, tmp_path):
    surfaces, sections = red_left_blue_right("straight")
    apart = draw(painter, surfaces, sections, tmp_path)
    together = draw(painter, surfaces * (scene.MOST_ACTORS // 2 + 1), sections, tmp_path)
    assert together.shape == apart.shape
    different = abs(together - apart).max(axis=-1)
    # VTK makes highlights white where points have colours of their own.
    assert different.mean() < 0.5 and (different > 12).mean() < 0.01


@pytest.mark.parametrize(
    "death", ["import os; os.abort()", "import sys; sys.exit('\\x1b[31mlibOSMesa: cannot open\\x1b[0m')"]
)
def test_a_painter_that_dies_gives_a_reason_and_is_given_up(tmp_path, death):
    painter = Painter((sys.executable, "-c", death))
    case = red_left_blue_right("straight")
    for _ in range(3):
        problem = begin_picture(tmp_path / "p.png", *case, tmp_path, painter).wait(SilentReport())
        assert "could not be drawn" in problem and "OpenGL" in problem and "\x1b" not in problem
        assert "sys" not in death or "libOSMesa: cannot open" in problem
    assert not (tmp_path / "p.png").exists()
    begin = time.monotonic()
    begin_picture(tmp_path / "p.png", *case, tmp_path, painter).wait(SilentReport())
    assert time.monotonic() - begin < 0.5  # nobody is started a third time


def test_a_painter_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "LIMIT_SECONDS", 0.3)
    painter = Painter((sys.executable, "-c", "import time; time.sleep(600)"))
    shot = begin_picture(tmp_path / "p.png", *red_left_blue_right("straight"), tmp_path, painter)
    assert "within" in shot.wait(SilentReport())
    assert not painter.alive


def test_cancelling_does_not_wait_for_the_picture(tmp_path):
    class Stop(SilentReport):
        def check(self) -> None:
            raise Cancelled()

    painter = Painter((sys.executable, "-c", "import time; time.sleep(600)"))
    shot = begin_picture(tmp_path / "p.png", *red_left_blue_right("straight"), tmp_path, painter)
    with pytest.raises(Cancelled):
        shot.wait(Stop())
    assert not painter.alive and not list(tmp_path.glob("picture-*"))


def test_a_case_without_opengl_is_whole_but_for_the_picture_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "_painter", Painter((sys.executable, "-c", "import os; os.abort()")))
    path = tmp_path / "two.seg.nrrd"
    write_seg_nrrd(path, two_layers(grid((20, 16, 12))))
    message = case_message(path, tmp_path, kind="segmentation", options={"formats": ["picture", "report"]})
    result = process_case(Case.from_dict(message), SilentReport())
    assert [w["code"] for w in result.warnings] == ["picture.not_drawn"]
    assert {o.kind for o in result.outputs} == {"gltf", "report", "manifest"}
    page = (tmp_path / "out" / "case.report.html").read_text(encoding="utf-8")
    assert "could not be drawn" in page and "<img" not in page
