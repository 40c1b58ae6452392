"""A full disk and the quota, before an upload comes and while it comes."""

from __future__ import annotations

from pathlib import Path

from support.pipeline import write_scan
from support.uploads import Site, form, ids


def test_a_full_disk_closes_the_door_with_507(tmp_path: Path, scan: Path) -> None:
    far = 10**6  # MB that are to stay free
    site = Site(tmp_path / "home", disk_min_free_mb=far).start()
    try:
        for answer in (
            site.ask("PUT", "/api/v1/uploads/a.nii.gz", scan.read_bytes()),
            site.create(100, filename="a.nii.gz"),
        ):
            assert (answer.status, answer.json["code"]) == (507, "environment.disk_full")
        body, kind = form(("f", "a.nii", b"x"))
        answer = site.ask("POST", "/upload", body, Content_Type=kind)
        assert (answer.status, answer.json["code"]) == (507, "environment.disk_full")
        assert site.jobs() == []
    finally:
        site.stop()


def test_the_quota_counts_what_is_coming_and_what_waits_and_lets_go_again(tmp_path: Path, scan: Path) -> None:
    site = Site(tmp_path / "home", upload_quota_mb=1, do="slow2500").start()
    try:
        data = scan.read_bytes()
        first = site.create(600 << 10, filename="half.nii")
        second = site.create(600 << 10, filename="too much.nii")
        assert (second.status, second.json["code"]) == (429, "web.upload_quota")
        assert site.ask("DELETE", site.place(first), **{"Tus-Resumable": "1.0.0"}).status == 204
        big = write_scan(tmp_path / "big.nii", shape=(80, 80, 60)).read_bytes()  # 750 KB
        running = ids(site.ask("PUT", "/api/v1/uploads/big.nii", big))
        answer = site.ask("PUT", "/api/v1/uploads/again.nii", big)
        assert answer.status == 429, "the case that has not ended counts"
        assert site.ask("PUT", "/api/v1/uploads/small.nii.gz", data).status == 201
        site.ended(*running)
        site.until(lambda: site.ask("PUT", "/api/v1/uploads/again.nii", big).status == 201)
    finally:
        site.stop()
