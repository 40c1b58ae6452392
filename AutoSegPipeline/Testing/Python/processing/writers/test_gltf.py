"""glTF files: valid for Khronos, true to the patient, named and grouped, the same each time."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from AutoSegPipelineLib.processing.surfaces.surface import centroid, signed_volume
from AutoSegPipelineLib.processing.writers.glb import write_glb
from AutoSegPipelineLib.processing.writers.gltf import write_gltf
from AutoSegPipelineLib.processing.writers.gltf_check import read_meshes, verify_gltf
from support.surfaces import AFFINES, ball, blobs, edges_with_two_faces, segmentation, validator_issues

WRITERS = {"gltf": write_gltf, "glb": write_glb}
NAMES = {1: "liver", 2: "see_through", 3: "aorta", 4: "rib_left_3", 5: "spleen"}


@pytest.fixture(scope="module")
def surfaces():
    labels = blobs((50, 60, 70), 5, seed=9)
    labels[:2, :2, :2] = 0
    labels[0, 0, 0] = 5  # a single voxel far from everything
    return make_surfaces(segmentation([labels], np.diag([1.0, 1.0, 1.0, 1.0]), NAMES))


@pytest.fixture(params=["gltf", "glb"])
def written(request, surfaces, tmp_path):
    path = tmp_path / f"case.{request.param}"
    WRITERS[request.param](path, surfaces, "Fall Müller 1", {"liver": {"volume_ml": 12.5}}, {"case": "x"})
    return path


def document_of(path) -> dict:
    data = path.read_bytes()
    if data[:4] != b"glTF":
        return json.loads(data)
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def test_the_validator_of_khronos_has_nothing_to_say(written):
    assert validator_issues(written) == []


def test_the_validator_would_say_something(written, tmp_path):
    text = json.dumps({**document_of(written), "asset": {"version": "2.0", "minVersion": "9.9"}})
    broken = tmp_path / "broken.gltf"
    broken.write_text(text)
    assert any(issue["severity"] == 0 for issue in validator_issues(broken))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", AFFINES)
def test_a_ball_is_in_place_in_metres_with_y_up(kind, name, tmp_path):
    affine = AFFINES[name]
    labels, centre = ball((40, 50, 46), affine, 14.0)
    path = tmp_path / f"ball.{kind}"
    WRITERS[kind](path, make_surfaces(segmentation([labels], affine, {1: "ball"})), "ball")
    assert validator_issues(path) == []
    document = document_of(path)
    root = np.array(document["nodes"][0]["matrix"]).reshape(4, 4).T
    ((found, points, triangles),) = read_meshes(path)
    assert found == "ball" and edges_with_two_faces(triangles)
    world = points @ root[:3, :3].T + root[:3, 3]
    left, posterior, superior = centre / 1000.0
    half_voxel = min(np.linalg.norm(affine[:3, :3], axis=0)) / 2 / 1000.0
    assert np.linalg.norm(centroid(world, triangles) - (left, superior, -posterior)) < half_voxel
    assert signed_volume(world, triangles) == pytest.approx(4 / 3 * np.pi * 0.014**3, rel=0.01)


def test_left_is_left_and_head_is_up(tmp_path):
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[13:17, 13:17, 22:27] = 1  # high i: patient's left, as the affine is LPS
    labels[22:27, 13:17, 13:17] = 2  # high k: towards the head
    labels[13:17, 3:8, 13:17] = 3  # low j: towards the front
    made = make_surfaces(segmentation([labels], np.eye(4), {1: "left", 2: "head", 3: "front"}))
    write_gltf(tmp_path / "sides.gltf", made, "sides")
    scene = trimesh.load(tmp_path / "sides.gltf")  # a reader that knows nothing of us
    middle = {name: scene.graph.get(name) for name in ("left", "head", "front")}
    where = {n: (t @ np.r_[scene.geometry[g].centroid, 1])[:3] * 1000 for n, (t, g) in middle.items()}
    assert where["left"][0] > where["head"][0] + 5
    assert where["head"][1] > where["left"][1] + 5
    assert where["front"][2] > where["left"][2] + 5


def test_structures_are_named_grouped_and_coded(written):
    document = document_of(written)
    nodes = document["nodes"]
    root = nodes[document["scenes"][0]["nodes"][0]]
    assert root["name"] == "Fall Müller 1" and root["extras"]["case"] == "x"
    tree = {nodes[g]["name"]: [nodes[n]["name"] for n in nodes[g]["children"]] for g in root["children"]}
    assert tree == {
        "organs_group": ["aorta"],
        "vessels_group": ["see_through", "spleen"],
        "bones_group": ["liver", "rib_left_3"],
    }
    assert [nodes[g]["extras"]["title"] for g in root["children"]] == ["Organs", "Vessels", "Bones"]
    liver = next(n for n in nodes if n["name"] == "liver")
    assert liver["extras"] == {
        "title": "Liver", "layer": 0, "value": 1, "volume_ml": 12.5,
        "code": {"scheme": "SCT", "value": "1001", "meaning": "liver"},
    }  # fmt: skip
    assert document["meshes"][liver["mesh"]]["name"] == "Liver"
    assert "not a medical device" in document["asset"]["extras"]["notice"]


def test_no_two_objects_have_one_name_in_capitals_neither(surfaces, tmp_path):
    names = ["bones", "Bones_Group", "organs", "vessels", "tissue_group"]
    groups = ["bones", "bones", "Organs", "organs", ""]
    renamed = [
        replace(surface, segment=replace(surface.segment, name=name, group=group))
        for surface, name, group in zip(surfaces, names, groups)
    ]
    for kind, write in WRITERS.items():
        path = tmp_path / f"a.{kind}"
        write(path, renamed, "bones")
        below = [node["name"].casefold() for node in document_of(path)["nodes"][1:]]
        assert len(below) == len(names) + 4 == len(set(below))
        verify_gltf(path, names)


def test_colours_are_linear_and_glass_is_blended(written, surfaces):
    document = document_of(written)
    materials = {m["name"]: m for m in document["materials"]}
    glass = materials["See through"]
    assert glass["alphaMode"] == "BLEND" and glass["pbrMetallicRoughness"]["baseColorFactor"][3] == 0.4
    assert "alphaMode" not in materials["Liver"]
    # sRGB 0.5 is 0.2140 of full light (IEC 61966-2-1).
    assert materials["Liver"]["pbrMetallicRoughness"]["baseColorFactor"][2] == pytest.approx(0.2140, abs=1e-4)


def test_the_plain_file_needs_no_extension_and_no_second_file(surfaces, tmp_path):
    write_gltf(tmp_path / "a.gltf", surfaces, "a")
    document = document_of(tmp_path / "a.gltf")
    assert "extensionsUsed" not in document and "extensionsRequired" not in document
    assert [b["uri"].split(",")[0] for b in document["buffers"]] == ["data:application/octet-stream;base64"]


def test_the_small_file_is_half_as_large_and_as_exact(surfaces, tmp_path):
    plain, small = tmp_path / "a.gltf", tmp_path / "a.glb"
    write_gltf(plain, surfaces, "a")
    write_glb(small, surfaces, "a")
    assert small.stat().st_size < 0.6 * plain.stat().st_size
    for (name, points, _), (other, packed, _) in zip(read_meshes(plain), read_meshes(small)):
        assert name == other
        assert np.abs(points - packed).max() < 0.01  # mm


def test_the_same_case_gives_the_same_bytes(written, surfaces, tmp_path):
    again = tmp_path / f"again{written.suffix}"
    WRITERS[written.suffix[1:]](
        again, surfaces, "Fall Müller 1", {"liver": {"volume_ml": 12.5}}, {"case": "x"}
    )
    assert again.read_bytes() == written.read_bytes()


def test_points_survive_to_a_hundredth_of_a_millimetre(written, surfaces):
    stored = {name: points for name, points, _ in read_meshes(written)}
    for surface in surfaces:
        assert np.abs(stored[surface.segment.name] - surface.points).max() < 0.01


def test_more_than_65535_points_get_longer_indices(surfaces, tmp_path):
    one = surfaces[0]
    times = -(-66000 // len(one.points))
    points = np.concatenate([one.points + 200 * n for n in range(times)])
    triangles = np.concatenate([one.triangles + len(one.points) * n for n in range(times)])
    many = replace(one, points=points, triangles=triangles, normals=np.tile(one.normals, (times, 1)))
    write_gltf(tmp_path / "many.gltf", [many], "many")
    assert validator_issues(tmp_path / "many.gltf") == []
    assert read_meshes(tmp_path / "many.gltf")[0][2].max() == len(points) - 1


def test_a_case_without_structures_is_an_error_and_no_empty_file(tmp_path):
    with pytest.raises(PipelineError) as caught:
        write_gltf(tmp_path / "none.gltf", [], "none")
    assert caught.value.code == "export.empty" and not list(tmp_path.iterdir())


def test_a_sound_file_passes_the_check(written):
    verify_gltf(written, NAMES.values())


def test_a_missing_structure_is_found(written):
    with pytest.raises(PipelineError, match="kidney") as caught:
        verify_gltf(written, ["liver", "kidney"])
    assert caught.value.code == "export.verification"


def test_a_cut_file_is_found(written):
    data = written.read_bytes()
    for part in (0, 1, 10, len(data) // 2, len(data) - 1):
        written.write_bytes(data[:part])
        with pytest.raises(PipelineError) as caught:
            verify_gltf(written, [])
        assert caught.value.code == "export.verification"
    written.unlink()
    with pytest.raises(PipelineError, match="cannot be read back"):
        verify_gltf(written, [])


@pytest.mark.parametrize("damage", ["not finite", "index", "bounds", "beyond", "empty mesh", "one name"])
def test_damage_inside_is_found(surfaces, tmp_path, damage):
    path = tmp_path / "a.gltf"
    write_gltf(path, surfaces, "a")
    document = document_of(path)
    head, body = document["buffers"][0]["uri"].split(",")
    blob = bytearray(base64.b64decode(body))
    views, accessors = document["bufferViews"], document["accessors"]
    if damage == "not finite":
        struct.pack_into("<f", blob, views[0]["byteOffset"], float("nan"))
    elif damage == "index":
        struct.pack_into("<H", blob, views[2]["byteOffset"], 65534)
    elif damage == "bounds":
        accessors[0]["max"][1] -= 1.0
    elif damage == "beyond":
        accessors[0]["count"] += 1
    elif damage == "one name":
        document["nodes"][1]["name"] = document["nodes"][2]["name"]
    else:
        accessors[2]["count"] = 0
    document["buffers"][0]["uri"] = head + "," + base64.b64encode(blob).decode()
    path.write_text(json.dumps(document))
    with pytest.raises(PipelineError) as caught:
        verify_gltf(path, [])
    assert caught.value.code == "export.verification"
