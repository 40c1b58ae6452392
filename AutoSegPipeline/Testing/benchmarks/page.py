"""The main page with ten thousand jobs, beside the same page with a hundred, in the same run.

    python AutoSegPipeline/Testing/benchmarks/page.py [--jobs 10000] [--streams 50] [--uploads 20]

Chromium types into the search while 50 event streams are open; then 20 files are uploaded at once over
the API. Targets: typing under 100 ms from the key to the drawn list, and at most four times what a hundred
jobs take.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parent.parent)]

from AutoSegPipelineLib.core.job import Job  # noqa: E402
from meters import said_load  # noqa: E402
from support.web import Served  # noqa: E402
from support.web_page import chromium  # noqa: E402
from web import Streams  # noqa: E402

TYPED_MS, RATIO = 100.0, 4.0
STATES = ("done",) * 12 + ("failed", "refused", "queued", "cancelled")
# Milliseconds from setting the text to a table that shows the answer.
TYPE = """async (text) => {
  const input = document.getElementById("jobs-search");
  const table = document.getElementById("jobs-body");
  const begun = performance.now();
  const drawn = new Promise((done) => {
    const watch = new MutationObserver(() => { watch.disconnect(); done(performance.now() - begun); });
    watch.observe(table, { childList: true, subtree: true, attributes: true });
  });
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  return drawn;
}"""


def fill(page: Served, number: int) -> None:
    """Jobs in every state, most of them done."""
    with page.store.transaction(False):
        for at in range(number):
            state = STATES[at % len(STATES)]
            name = f"patient{at:05d}_thorax"
            job = Job(label=f"{name}.nii.gz", name=name, door="web", submitted_by="ann", state=state)
            if state == "done":
                job.outputs = [{"kind": "gltf", "name": f"{name}.gltf", "size": 1, "sha256": "0" * 64}] * 9
            page.store.jobs.add(job)


def typing(page: Served, program: Any) -> tuple[float, float, int]:
    """(median ms of a key, ms of the slowest, most rows drawn)."""
    tab = program.new_page()
    tab.goto(page.url)
    tab.locator("#jobs-body tr[data-job]").first.wait_for()
    tab.wait_for_timeout(500)
    rows = tab.locator("#jobs-body tr[data-job]").count()
    texts = ["p", "pa", "pat", "patient0", "patient00", "patient000", "patient0001", "0001", "9", "99", "tho"]
    times = [float(tab.evaluate(TYPE, text)) for text in texts]
    tab.close()
    return statistics.median(times), max(times), rows


def uploads(page: Served, number: int) -> float:
    """Seconds until so many files, sent at once, are taken."""
    body = bytes(1 << 20)

    def one(at: int) -> int:
        return page.request("PUT", f"/api/v1/uploads/scan{at}.nii.gz", body).status

    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        answers = list(pool.map(one, range(number)))
    assert set(answers) <= {200, 201, 202}, answers
    return time.perf_counter() - begun


def measure(root: Path, jobs: int, streams: int, program: Any) -> tuple[float, float, int]:
    """The same for a store of so many jobs, with so many listeners."""
    with Served(root / str(jobs)) as page:
        fill(page, jobs)
        open_streams = Streams(page.port, streams)
        open_streams.until_all_hear(b"event: status")
        try:
            return typing(page, program)
        finally:
            open_streams.close()


def uploads_at_once(root: Path, number: int) -> float:
    """Uploads in a home of their own, where the test answers for the pipeline."""
    with Served(root / "uploads") as page:
        page.answer(lambda one: {"ok": True, "job": one.job, "state": "inspecting"})
        alone = uploads(page, 1)
        together = uploads(page, number)
        print(f"{number} uploads of 1 MB at once: {together:.2f} s, {together / alone:.1f} times one alone")
        return together / alone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10000)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--uploads", type=int, default=20)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="autoseg-page-"))
    try:
        with chromium() as program:
            few = measure(root, 100, given.streams, program)
            many = measure(root, given.jobs, given.streams, program)
        for jobs, (median, slowest, rows) in ((100, few), (given.jobs, many)):
            print(f"{jobs:6d} jobs: a key {median:.0f} ms (slowest {slowest:.0f} ms), {rows} rows drawn")
        print(f"{given.jobs} jobs take {many[0] / few[0]:.1f} times as long as 100")
        ratio = uploads_at_once(root, given.uploads)
        print(said_load())
        return 0 if many[0] <= TYPED_MS and many[0] <= RATIO * few[0] and ratio <= given.uploads else 1
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
