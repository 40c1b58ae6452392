"""A browser on the page of a real pipeline, and an eye on what it must never do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Iterator

from support.headless import Running
from support.surfaces import node_modules
from support.web import Served

_SHELL = "chromium-headless-shell"  # has no windows, which saves a third of the time that pages take
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "chrome")
_WINDOWS = (
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
# The viewer's libraries, where the set-up puts them.
VIEWER_MODULES = Path(sys.prefix) / "viewer" / "node_modules"
_MAC = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "correct horse battery staple"


def browser_path(windows: bool = False) -> str:
    """Chromium of the machine, or what $AUTOSEG_TEST_BROWSER names; ``windows``: one that has windows."""
    named = os.environ.get("AUTOSEG_TEST_BROWSER")
    names = _BROWSERS if windows else (_SHELL, *_BROWSERS)
    found = [named] if named else [path for path in map(shutil.which, names) if path]
    found += [path for path in (*_WINDOWS, *_MAC) if Path(path).is_file()]
    if not found:
        raise AssertionError(
            "These tests drive a browser and found none: install Chromium or Chrome "
            "(`apt install chromium`), or name its program in $AUTOSEG_TEST_BROWSER."
        )
    return str(found[0])


class Site:
    """``autoseg serve`` on a home of its own, as a person starts it."""

    def __init__(self, root: Path, *arguments: Any, port: int = 0, libraries: bool = True) -> None:
        self.home = root
        self.arguments = [*map(str, arguments)]
        self.port = port
        self.process: Running | None = None
        if libraries:
            self.install_libraries()

    def install_libraries(self) -> None:
        """Those of the set-up, below ``state/assets/node_modules``, where a test may change them."""
        modules, target = VIEWER_MODULES, self.home / "state" / "assets" / "node_modules"
        for name in ("three", "@niivue/niivue"):
            if not (modules / name).is_dir():
                raise AssertionError(f"{name} is not in {modules}: run `python3 autoseg.py install viewer`.")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            for part in ("build", "dist", "examples/jsm"):
                if (modules / name / part).is_dir():
                    shutil.copytree(modules / name / part, target / name / part, copy_function=_link)

    def __enter__(self) -> Site:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, and wait for the page."""
        self.process = Running(
            "serve", "--home", self.home, "--port", self.port, "--settle-seconds", "0.3",
            *self.arguments, env={"AUTOSEG_WEB": "yes"},
        )  # fmt: skip
        self.process.wait_for("page ", 60)
        found = re.search(r"page\s+http://127\.0\.0\.1:(\d+)", self.process.text)
        assert found, self.process.text
        self.port = int(found[1])

    def stop(self) -> None:
        """Ask it to end, as Ctrl+C does."""
        import signal

        if self.process is not None:
            with self.process:
                if self.process.process.poll() is None:
                    self.process.signal(signal.SIGINT)
                    with contextlib.suppress(Exception):
                        self.process.end(20)
            self.process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """JSON of the API."""
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return json.load(answer)

    def put(self, path: Path, name: str = "", **options: str) -> dict[str, Any]:
        """Upload without a browser; the job."""
        query = "&".join(f"{key}={value}" for key, value in options.items())
        request = urllib.request.Request(
            f"{self.url}/api/v1/uploads/{name or path.name}?{query}", data=path.read_bytes(), method="PUT"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            job: dict[str, Any] = json.load(answer)["jobs"][0]
        return job

    def jobs(self) -> dict[str, dict[str, Any]]:
        """By label."""
        return {job["label"]: job for job in self.get("/api/v1/jobs?limit=500")["jobs"]}

    def until_ended(self, job_id: str, seconds: float = 120) -> dict[str, Any]:
        """The job, when it has ended."""
        until = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.get(f"/api/v1/jobs/{job_id}")
            if job["state"] in ("done", "failed", "refused", "cancelled"):
                return job
            assert time.monotonic() < until, job
            time.sleep(0.1)

    def account(self, name: str, role: str) -> None:
        """Make an account while nothing runs, as the command line does."""
        from AutoSegPipelineLib.core.home import Home
        from AutoSegPipelineLib.web.accounts.accounts import Accounts

        home = Home.at(self.home)
        home.create()
        accounts = Accounts.of(home)
        accounts.users.add(name, role, PASSWORD)
        accounts.close()


@contextlib.contextmanager
def chromium(windows: bool = False) -> Iterator[Any]:
    """The program, warm: with a first page, so that later ones start no process that stays.

    ``windows``: for what only windows do, as filling the screen.
    """
    from playwright.sync_api import sync_playwright

    arguments = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
    # Without a graphics card the processor draws pages faster by itself than as one.
    arguments += ["--disable-gpu-rasterization", "--disable-gpu-compositing"]
    with sync_playwright() as playwright:
        # No --disable-features among them: it would take the place of playwright's own list.
        program = playwright.chromium.launch(executable_path=browser_path(windows), args=arguments)
        page = program.new_page()
        page.evaluate("document.createElement('canvas').getContext('webgl2') !== null")
        try:
            yield program
        finally:
            program.close()


class Browser:
    """Pages of :func:`chromium`, with a list of everything that a page of ours must not do."""

    def __init__(self, program: Any, site: Site | Served) -> None:
        self.browser = program
        self.site = site
        self.wrong: list[str] = []
        self._contexts: list[Any] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        for context in self._contexts:
            context.close()
        if kind is None:
            assert not self.wrong, self.wrong

    def page(self, path: str | None = "/", dark: bool = False, phone: bool = False, **more: Any) -> Any:
        """A page of a browser that knows nothing yet, opened at ``path``."""
        context = self.browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **more,
        )
        context.set_default_timeout(90000)
        self._contexts.append(context)
        page = context.new_page()
        self.watch(page)
        if path is not None:
            page.goto(self.url + path)
        return page

    @property
    def url(self) -> str:
        """Of the site, without a slash at its end; a site that was started again has another one."""
        return str(self.site.url).rstrip("/")

    def watch(self, page: Any) -> None:
        """No errors, nothing that the policy refused, no other host."""
        page.on("console", lambda message: self._said(message))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _said(self, message: Any) -> None:
        # How the browser itself puts a 3D drawing on the page where no graphics card does it.
        if message.type == "warning" and "GPU stall due to ReadPixels" in message.text:
            return
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url + "/", "blob:" + self.url, "data:")):
            self.wrong.append(f"another host: {url}")

    @contextlib.contextmanager
    def expecting(self, pattern: str) -> Iterator[None]:
        """What the console says of ``pattern`` meanwhile is meant to be."""
        before = len(self.wrong)
        yield
        self.wrong[before:] = [one for one in self.wrong[before:] if not re.search(pattern, one)]


def log_in(page: Any, name: str, password: str = PASSWORD) -> None:
    """Fill in the form of the login page."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def choose(page: Any, files: Any, where: str = "#files") -> None:
    """Choose files as the buttons do, which are there once the page's script listens."""
    page.get_by_role("button", name="Choose files").wait_for()
    page.locator(where).set_input_files(files)


def row(page: Any, label: str) -> Any:
    """The row of a job in the page's list."""
    return page.locator("#jobs-body tr").filter(has=page.get_by_text(label, exact=True))


def wait_for_state(page: Any, label: str, state: str) -> None:
    """Until the job is shown in that state."""
    row(page, label).and_(page.locator(f"[data-state={state}]")).wait_for(timeout=120000)


def violations(page: Any) -> list[str]:
    """What axe has against the page, as short texts."""
    source = node_modules() / "axe-core" / "axe.min.js"
    if not source.is_file():
        raise AssertionError("axe-core is missing: run `npm ci --prefix AutoSegPipeline/Testing`.")
    # Through the debugger, so that the page's own policy stays in force.
    page.evaluate(source.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {', '.join(str(node['target']) for node in one['nodes'][:4])}"
        for one in found["violations"]
    ]


def viewer(browser: Browser, job: str, **how: Any) -> Any:
    """The viewer of a job, when it has loaded all."""
    page = browser.page(f"/view/{job}", **how)
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    return page


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def wait_until(page: Any, expression: str, seconds: float = 60.0) -> None:
    """Wait until ``expression`` holds; the page's policy forbids what ``wait_for_function`` does."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)
