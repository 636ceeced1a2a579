"""A real Chromium, and visitors: each has their own browser profile, at one edge.

At the end of a test, no visitor's page may have logged an unexpected error or a content security policy violation.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.builders.accounts import PASSPHRASE
from tests.conftest import System

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_TIMEOUT_MS = 20_000
_READY_MS = 60_000
_PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

File = dict[str, Any]


@dataclass
class Visitor:
    """A person with a browser. `errors` are those in the page's console; a test lists parts of those it expects."""

    page: Page
    edge_url: str
    errors: list[str] = field(default_factory=list)
    expected_errors: tuple[str, ...] = ()

    def open(self, path: str = "/") -> None:
        self.page.goto(f"{self.edge_url}{path}")

    def go(self, tab: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=tab).click()
        expect(self.page.get_by_role("navigation").get_by_role("link", name=tab)).to_have_attribute(
            "aria-current", "page"
        )

    def sign_up(self, name: str, country: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Handle", exact=True).fill(f"visitor_{random.randrange(1 << 40)}")
        self.page.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
        self.page.get_by_label("Country").select_option(country)
        self.page.get_by_role("button", name="Sign up").click()
        expect(self.page.get_by_role("heading", name=f"Welcome, {name}")).to_be_visible()

    def choose(self, *files: File) -> None:
        self.go("Upload")
        self.page.get_by_label("Choose photos").set_input_files(files)

    def upload(self, data: bytes, caption: str = "", name: str = "photo.jpg") -> None:
        """Uploads one photo and waits until the page shows that it is ready."""
        self.choose(jpeg(data, name))
        self.page.get_by_label("Caption").fill(caption)
        self.page.get_by_role("button", name="Upload this photo").click()
        expect(self.page.get_by_role("link", name="View photo").first).to_be_visible(timeout=_READY_MS)

    def photo(self, caption: str) -> Any:
        """The image with that caption, once it is decoded."""
        image = self.page.get_by_role("img", name=caption, exact=True).first
        expect(image).to_be_visible(timeout=_READY_MS)
        image.evaluate("image => image.decode()")
        return image

    def sign_in(self, handle: str, passphrase: str = PASSPHRASE, recovery_code: str = "") -> None:
        self.page.get_by_text("I already have an account").click()
        self.page.get_by_label("Your handle").fill(handle)
        self.page.get_by_label("Your passphrase").fill(passphrase)
        if recovery_code:
            self.page.get_by_text("I forgot it").click()
            self.page.get_by_label("Recovery code").fill(recovery_code)
        self.page.get_by_role("button", name="Sign in").click()

    def stored(self, name: str) -> str | None:
        """What the browser keeps of the session."""
        return self.page.evaluate(f"JSON.parse(localStorage.getItem('darkroom'))?.{name} ?? null")

    def handle(self) -> str | None:
        return self.stored("handle")

    def link(self) -> str:
        """The path of the link that this user shares."""
        self.go("People")
        return str(self.page.get_by_label("Your link").input_value()).removeprefix(self.edge_url)


@pytest.fixture(scope="package")
def system(start_system: Callable[..., Iterator[System]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One running system for all tests of this folder; each brings people of its own."""
    yield from start_system(tmp_path_factory.mktemp("system"))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed: apt-get install chromium")
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, system: System) -> Iterator[Callable[..., Visitor]]:
    """`visit("lisbon")` is somebody new at that edge's page; `phone=True` on a phone."""
    visitors = []

    def visit(edge: str, path: str = "/", phone: bool = False) -> Visitor:
        context = chromium.new_context(**(_PHONE if phone else {}), locale="en-GB")
        context.set_default_timeout(_TIMEOUT_MS)
        visitor = Visitor(context.new_page(), system.edges[edge])
        visitors.append(visitor)
        _record_errors(visitor)
        visitor.open(path)
        return visitor

    expect.set_options(timeout=_TIMEOUT_MS)
    yield visit
    for visitor in visitors:
        visitor.page.context.close()
    assert [error for visitor in visitors for error in _unexpected_errors(visitor)] == []


@pytest.fixture
def ana(visit: Callable[..., Visitor]) -> Visitor:
    """A user from Portugal who has signed up at Lisbon's edge."""
    visitor = visit("lisbon")
    visitor.sign_up("Ana", "PT")
    return visitor


@pytest.fixture(name="jpeg", scope="session")
def jpeg_fixture() -> Callable[..., File]:
    """A file for a file chooser: `jpeg(data, name)`."""
    return jpeg


def jpeg(data: bytes, name: str = "photo.jpg") -> File:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def _record_errors(visitor: Visitor) -> None:
    visitor.page.on("console", lambda message: message.type == "error" and visitor.errors.append(message.text))
    visitor.page.on("pageerror", lambda error: visitor.errors.append(f"uncaught: {error}"))


def _unexpected_errors(visitor: Visitor) -> list[str]:
    """A browser reports every failed request as an error, so a test that provokes one must expect it."""
    return [error for error in visitor.errors if not any(part in error for part in visitor.expected_errors)]
