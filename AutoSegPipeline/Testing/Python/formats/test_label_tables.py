"""Tables of labels: the dialects that people have, and errors that name the line."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.segmentation import Code
from AutoSegPipelineLib.formats.label_tables import read_table


def table(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "value,name,color\n1,Liver,255 0 0\n2,Left lung,#0000ff\n",
        "Label;Structure;Colour\n1;Liver;rgb(255, 0, 0)\n2;Left lung;0000FF\n",
        "name\tred\tgreen\tblue\tindex\nLiver\t255\t0\t0\t1\nLeft lung\t0\t0\t255\t2\n",
        "\ufeff1,Liver,1.0 0.0 0.0\n\n2,Left lung,0.0 0.0 1.0\n",
        '0,background\n1,Liver,255,0,0\n2,"Left lung",0,0,255\n',
        '# ITK-SnAP Label Description File\n 0 0 0 0 0 0 0 "Clear Label"\n 1 255 0 0 1 1 1 "Liver"\n'
        ' 2 0 0 255 1 1 1 "Left lung"\n',
        "# Color table file\n0 Background 0 0 0 0\n1 Liver 255 0 0 255\n2 Left_lung 0 0 255 255\n",
        "#No. Label Name: R G B A\r\n\r\n0   Unknown  0 0 0 0\r\n"
        "1 Liver  255 0 0 0\r\n2 Left_lung 0 0 255 0\r\n",
        "index\tname\tabbreviation\tcolor\tmapping\r\n1\tLiver\tL\t#FF0000\t9\r\n"
        "2\tLeft lung\tn/a\t#0000ff\t1\r\n",
        'name\tindex\tcolor\n"Liver"\t1\t#f00\nLeft lung\t2\t0x0000FF\nn/a\t3\tn/a\n',
        "\ufeffLabelValue,Name,Color_R,Color_G,Color_B,Color_A\n"
        "1,Liver,255,0,0,255\n2,Left lung,0,0,255,255\n",
        'value;name;color\n1;Liver;#ff0000ff\n2;"Left lung";"rgba(0, 0, 255, 1)"\n',
        "Index,Label,R,G,B\n1,Liver,1,0,0\n2,Left lung,0,0,1\n",
        "id,name,acronym,color_hex_triplet\n1,Liver,L,FF0000\n2,Left lung,LL,0000FF\n",
        "Liver,1,1.0,0,0\nLeft lung,2,0.0,0,1\n",
        "1 Liver 1.0 0.0 0.0 1.0\n2 Left lung 0.0 0.0 1.0 1.0\n",
        '1 "Liver" 255 0 0\n2 "Left lung" 0 0 255\n',
        '[{"value": 1, "name": "Liver", "color": [255, 0, 0]},'
        ' {"id": 2, "label": "Left lung", "hex": "#0000ff"}]',
        '{"segmentAttributes": [[{"labelID": 1, "SegmentLabel": "Liver",'
        ' "recommendedDisplayRGBValue": [255, 0, 0]},'
        ' {"labelID": 2, "SegmentLabel": "Left lung", "recommendedDisplayRGBValue": [0, 0, 255]}]]}',
    ],
)
def test_tables_are_read_in_the_dialects_that_people_have(tmp_path, text):
    entries = read_table(table(tmp_path, text))
    assert [(e.value, e.name) for e in entries] == [(1, "Liver"), (2, "Left lung")]
    assert [e.colour for e in entries] == [pytest.approx((1, 0, 0)), pytest.approx((0, 0, 1))]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("value,name\n1,Liver\none,Spleen\n", 3, "'one'"),
        ("value,name\n1,Liver\n\n1,Spleen\n", 4, "twice"),
        ("value,name\n1\n", 2, "name"),
        ("value,name\n1,\n", 2, "no name"),
        ("value,name,color\n1,Liver,reddish\n", 2, "colour"),
        ("value,name,color\n1,Liver,300 0 0\n", 2, "255"),
        ("organ,size\nliver,3\n", 1, "value and name"),
        (' 1 255 0 0 1 1 1 "Liver"\n nonsense\n', 2, "understood"),
        ('{"labels": {"liver": 1,\n"spleen" 2}}', 2, "not JSON"),
    ],
)
def test_a_bad_table_names_its_line(tmp_path, text, line, word):
    with pytest.raises(PipelineError) as caught:
        read_table(table(tmp_path, text))
    assert caught.value.code == "export.bad_table"
    assert f"t.csv, line {line}:" in caught.value.message and word in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        '{"labels": {"background": 0, "Liver": 1, "Left lung": 2}}',
        '\ufeff{"name": "x", "labels": {"0": "background", "1": "Liver", "2": "Left lung"}}',
        '{"labels": {"background": 0, "Liver": [1], "Left lung": "2"}}',
        '{"1": "Liver", "2": "Left lung"}',
        '{"1": {"name": "Liver"}, "2": {"name": "Left lung"}}',
        '["background", "Liver", "Left lung"]',
        '{"class_names": ["Liver", "Left lung"]}',
        "1 Liver\n2 Left lung\n",
        "0: background\n1: Liver\n2: Left lung\n",
        "index name\n1 Liver\n2 Left lung\n".replace("Left lung", "Left_lung"),
        "value,name\n1,Liver\n1,Liver\n2,Left lung\n",
        'value,name\n1,"Liver"\n2,"Left lung"\n,\n',
    ],
)
def test_names_without_colours(tmp_path, text):
    entries = read_table(table(tmp_path, text))
    assert [(e.value, e.name.replace("_", " ")) for e in entries] == [(1, "Liver"), (2, "Left lung")]
    assert [e.colour for e in entries] == [None, None]


def test_a_quoted_name_may_hold_the_delimiter(tmp_path):
    (entry,) = read_table(table(tmp_path, '1,"Lobe, upper; left"\n'))
    assert entry.name == "Lobe, upper; left"


def test_a_region_is_the_union_of_labels(tmp_path):
    first, second = read_table(table(tmp_path, '{"labels": {"whole": [1, 2, 3], "core": 3}}'))
    assert (first.name, first.value, first.region) == ("whole", 0, (1, 2, 3))
    assert (second.name, second.value, second.region) == ("core", 3, ())


def test_colours_from_0_to_1_and_from_0_to_255_are_told_apart_by_the_complete_table(tmp_path):
    unit = read_table(table(tmp_path, "value,name,r,g,b\n1,a,1,0,0\n2,b,0.5,0.5,0\n"))
    byte = read_table(table(tmp_path, "value,name,r,g,b\n1,a,1,0,0\n2,b,128,128,0\n"))
    assert unit[0].colour == (1.0, 0.0, 0.0) and byte[0].colour == pytest.approx((1 / 255, 0, 0))


def test_thousands_of_rows_take_no_time_that_grows_with_their_square(tmp_path):
    text = "value,name\n" + "".join(f"{n},parcel {n}\n" for n in range(1, 50_001))
    assert len(read_table(table(tmp_path, text))) == 50_000


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing\n", "{}", "[]", '{"labels": {"background": 0}}', "value,name\n0,Clear\n"]
)
def test_a_table_without_labels_is_an_error(tmp_path, text):
    with pytest.raises(PipelineError) as caught:
        read_table(table(tmp_path, text))
    assert caught.value.code == "export.bad_table" and "t.csv" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        '{"labels": {"liver": "big"}}',
        '{"labels": {"liver": [1, "x"]}}',
        '{"liver": {"value": 1.5}}',
        "[" * 9999,
    ],
)
def test_json_that_holds_something_else_is_an_error(tmp_path, text):
    with pytest.raises(PipelineError) as caught:
        read_table(table(tmp_path, text))
    assert caught.value.code == "export.bad_table"


SLICER = (
    "LabelValue,Name,Color_R,Color_G,Color_B,Color_A,"
    + ",".join(
        f"{concept}_{part}"
        for concept in ("Category", "Type", "TypeModifier", "Region", "RegionModifier")
        for part in ("CodingScheme", "CodeValue", "CodeMeaning")
    )
    + "\n"
)


def test_the_codes_of_slicers_table_are_read(tmp_path):
    row = (
        "1,left_kidney,185,102,83,255,SCT,123037004,Anatomical Structure,SCT,64033007,Kidney,"
        "SCT,7771000,Left,,,,,,\n"
    )
    first, second = read_table(
        table(tmp_path, SLICER + row + "2,left lung,1,2,3,255,,Tissue,,,Tissue,,,,,,,,,,\n")
    )
    assert first.codes == (
        ("category", Code("SCT", "123037004", "Anatomical Structure")),
        ("code", Code("SCT", "64033007", "Kidney")),
        ("modifier", Code("SCT", "7771000", "Left")),
    )
    assert second.codes == () and second.name == "left lung"
    assert first.colour == pytest.approx((185 / 255, 102 / 255, 83 / 255))


def test_the_codes_of_dcmqi_are_read(tmp_path):
    text = (
        '{"segmentAttributes": [[{"labelID": 1, "SegmentLabel": "K", "SegmentedPropertyTypeCodeSequence":'
        ' {"CodeValue": "64033007", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Kidney"}}]]}'
    )
    (entry,) = read_table(table(tmp_path, text))
    assert entry.codes == (("code", Code("SCT", "64033007", "Kidney")),)
