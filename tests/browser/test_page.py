"""The web page in a real browser, with the real system: what users do with it, and what attackers try."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES
from tests.builders.accounts import PASSPHRASE

FORMATS = "JPEG, PNG, WEBP, HEIC, HEIF, AVIF, GIF, TIFF, or BMP"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def test_signing_up_shows_where_the_photos_will_be_stored(visit):
    """Photos from Portugal are stored in eu-west, whichever edge is used."""
    visitor = visit("sydney")
    visitor.sign_up("Ines", "PT")
    expect(visitor.page.get_by_text("Your photos will be stored in eu-west.")).to_be_visible()


def test_signing_up_works_with_the_keyboard_alone(visit):
    """Tab reaches every field in order, and Enter submits."""
    visitor = visit("lisbon")
    visitor.page.get_by_label("Name").focus()
    visitor.page.keyboard.type("Rui")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type(f"rui_{random.randrange(1 << 40)}")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type(PASSPHRASE)
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type("Portugal")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("heading", name="Welcome, Rui")).to_be_focused()


def test_an_uploaded_photo_becomes_ready_and_appears_under_mine(ana, draw):
    """It is shown with its caption."""
    ana.upload(draw(101, 900, 600), "The harbour")
    ana.go("Mine")
    assert ana.photo("The harbour").evaluate("image => image.naturalWidth") > 100


def test_several_photos_are_uploaded_together(ana, draw, jpeg):
    """Each has a row that shows when it is ready."""
    ana.choose(jpeg(draw(102), "one.jpg"), jpeg(draw(103), "two.jpg"), jpeg(draw(104), "three.jpg"))
    ana.page.get_by_role("button", name="Upload these 3 photos").click()
    expect(ana.page.get_by_role("link", name="View photo")).to_have_count(3, timeout=60_000)


def test_a_dropped_photo_is_added_to_the_uploads(ana, draw):
    """It may be dropped anywhere on the page."""
    transfer = ana.page.evaluate_handle(
        "data => { const t = new DataTransfer();"
        "t.items.add(new File([new Uint8Array(data)], 'dropped.jpg', {type: 'image/jpeg'})); return t; }",
        list(draw(105)),
    )
    ana.page.dispatch_event("#main", "drop", {"dataTransfer": transfer})
    expect(ana.page.get_by_role("button", name="Upload this photo")).to_be_visible()
    expect(ana.page.get_by_text("dropped.jpg")).to_be_visible()


def test_a_part_that_failed_is_sent_again(ana, draw, jpeg):
    """The connection breaks once; the page requests the upload's state, and continues."""
    ana.expected_errors = ("net::ERR_FAILED",)
    broken = []

    def break_once(route):
        if broken or route.request.method != "PUT":
            return route.continue_()
        broken.append(route.request.url)
        route.abort()

    ana.page.route("**/part/**", break_once)
    ana.upload(draw(106))
    assert len(broken) == 1


def test_the_page_says_about_how_long_a_photo_still_takes(ana, draw, jpeg):
    """Beside the upload, until it is ready."""
    waiting = [{"status": "processing", "ready_in_s": 20}]

    def wait_once(route):
        if route.request.method != "GET" or not waiting:
            return route.continue_()
        state = ana.page.locator("[data-state=processing] .state")
        route.fulfill(json=waiting[0])
        expect(state).to_have_text("Processing, ready in about 20 seconds …")
        waiting.clear()

    ana.page.route("**/v1/photos/*", wait_once)
    ana.upload(draw(107))
    assert not waiting


def test_an_upload_waits_where_there_were_too_many_and_goes_on(ana, draw):
    """It shows for how long."""
    refused = []

    def refuse_once(route):
        if refused:
            state = ana.page.locator("[data-state=sending] .state")
            expect(state).to_have_text("Too many uploads at once: going on in about 4 seconds …")
            return route.continue_()
        refused.append(route.request.url)
        problem = {"type": "urn:darkroom:problem:too-many-requests", "status": 429, "detail": "too many uploads"}
        route.fulfill(status=429, headers={"Retry-After": "4"}, json=problem)

    ana.expected_errors = ("429",)
    ana.page.route("**/v1/uploads/init", refuse_once)
    ana.upload(draw(108))
    assert len(refused) == 1


def test_a_text_named_jpg_shows_the_reason(ana, jpeg):
    """It is uploaded, but can't be processed; the page shows the reason."""
    ana.choose(jpeg(b"To whom it may concern: this is a text.", "holiday.jpg"))
    ana.page.get_by_role("button", name="Upload this photo").click()
    state = ana.page.locator("[data-state=failed] .state")
    expect(state).to_contain_text("could not be processed", timeout=60_000)
    expect(state).not_to_contain_text("no reason")


def test_a_file_that_is_not_a_photo_is_rejected_before_the_upload(ana):
    """The page shows at once which formats it accepts."""
    ana.choose({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"notes"})
    expect(ana.page.locator("[data-state=rejected] .state")).to_contain_text(FORMATS)
    expect(ana.page.get_by_role("button", name="Upload this photo")).to_be_hidden()


@pytest.mark.parametrize(
    ("size_bytes", "content_type", "problem"),
    [
        (0, "image/jpeg", "The file is empty."),
        (MAX_RAW_BYTES + 1, "image/jpeg", "The file is larger than 100 MB. Choose a smaller one."),
        (1, "image/jxl", f"Choose a photo in one of these formats: {FORMATS}."),
        *((MAX_RAW_BYTES, content_type, None) for content_type in CONTENT_TYPES),
    ],
)
def test_the_page_checks_the_limits_that_the_servers_check(visit, size_bytes, content_type, problem):
    """Their values come with the page, from the same module that the origin uses."""
    file = {"name": "photo.jpg", "size": size_bytes, "type": content_type}
    found = visit("lisbon").page.evaluate("async file => (await import('/static/upload.js')).problemWith(file)", file)
    assert found == problem


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.JPEG", "a.heic", "a.heif", "a.avif", "a.png", "a.webp", "a.tif", "a.gif", "a.bmp"]
)
def test_a_photo_of_unknown_type_is_recognized_by_its_suffix(visit, name):
    """Some browsers do not know the content type of HEIC files."""
    file = {"name": name, "size": 1, "type": ""}
    found = visit("lisbon").page.evaluate("async file => (await import('/static/upload.js')).problemWith(file)", file)
    assert found is None


def test_a_follower_elsewhere_sees_the_photo_in_the_feed(ana, visit, draw):
    """Bob opens Ana's link at Chicago's edge, signs up and follows her; then her photo appears."""
    ana.upload(draw(107, 900, 600), "From far away")
    bob = visit("chicago", ana.link())
    bob.page.get_by_role("link", name="Sign up to follow Ana").click()
    bob.sign_up("Bob", "US")
    bob.page.get_by_role("link", name="Continue").click()
    bob.page.get_by_role("button", name="Follow Ana").click()
    expect(bob.page.get_by_role("button", name="Unfollow Ana")).to_be_visible()
    bob.go("Feed")
    assert bob.photo("From far away").evaluate("image => image.currentSrc").startswith(bob.edge_url)


def test_a_user_can_be_followed_by_id_and_unfollowed(ana, visit):
    """The id from a user's link is enough; the list shows who is followed."""
    eva = visit("frankfurt")
    eva.sign_up("Eva", "DE")
    ana.go("People")
    ana.page.get_by_label("Follow by id or link").fill(eva.link().partition("follow=")[2])
    ana.page.get_by_role("button", name="Find").click()
    ana.page.get_by_role("button", name="Follow Eva").click()
    expect(ana.page.get_by_role("button", name="Unfollow Eva")).to_be_visible()
    ana.go("People")
    ana.page.get_by_role("button", name="Unfollow Eva").click()
    expect(ana.page.get_by_role("link", name="Eva")).to_have_count(0)


def test_an_invalid_id_is_explained(ana):
    """The page sends no request for it."""
    ana.go("People")
    ana.page.get_by_label("Follow by id or link").fill("Eva")
    ana.page.get_by_role("button", name="Find").click()
    expect(ana.page.get_by_role("alert").filter(has_text="There is no id in this text")).to_be_visible()


def test_a_photo_can_be_liked_and_commented_on(ana, draw):
    """A like is counted and can be taken back; a comment stays after a reload."""
    ana.upload(draw(108), "To be liked")
    ana.page.get_by_role("link", name="View photo").click()
    ana.page.get_by_role("button", name="Like, 0 so far").click()
    ana.page.get_by_label("Add a comment").fill("How blue!")
    ana.page.get_by_role("button", name="Comment").click()
    expect(ana.page.get_by_text("How blue!")).to_be_visible()
    ana.page.reload()
    expect(ana.page.get_by_text("How blue!")).to_be_visible()
    ana.page.get_by_role("button", name="Unlike, 1 so far").click()
    expect(ana.page.get_by_role("button", name="Like, 0 so far")).to_be_visible()


def test_a_button_loads_older_photos(visit, system, draw):
    """It loads thirty at a time, moves the focus to the first of them, and disappears when there are no more."""
    rui = system.person("Rui", "PT", "lisbon")
    with ThreadPoolExecutor(4) as threads:
        photo_ids = list(threads.map(lambda seed: rui.upload(draw(seed, 120, 90)), range(200, 231)))
    for photo_id in photo_ids:
        rui.client.wait_until_ready(photo_id)
    visitor = visit("lisbon", f"/#/u/{rui.id}")
    expect(visitor.page.locator(".tile")).to_have_count(30)
    visitor.page.get_by_role("button", name="Older photos").click()
    expect(visitor.page.locator(".tile")).to_have_count(31)
    expect(visitor.page.locator(".tile a").last).to_be_focused()
    expect(visitor.page.get_by_role("button", name="Older photos")).to_be_hidden()


def test_a_badge_shows_which_edge_served_the_photo_and_whether_it_caches_it(ana, visit, draw):
    """Lisbon's edge caches a photo from the EU; Sydney's fetches it through Lisbon and caches nothing."""
    ana.upload(draw(109, 900, 600), "With a badge")
    ana.page.get_by_role("link", name="View photo").click()
    expect(ana.page.locator(".badge")).to_contain_text("lisbon")
    path = ana.page.url.removeprefix(ana.edge_url)
    expect(visit("lisbon", path).page.locator(".badge")).to_contain_text("lisbon hit served from this edge's cache")
    expect(visit("sydney", path).page.locator(".badge")).to_contain_text("through lisbon, and not cached here")


def test_a_deleted_photo_is_gone_and_its_address_shows_that(ana, draw):
    """It is deleted only after the user confirms."""
    ana.upload(draw(110), "To be deleted")
    ana.page.get_by_role("link", name="View photo").click()
    ana.page.get_by_role("button", name="Delete").click()
    address = ana.page.url
    ana.page.get_by_role("button", name="Delete it").click()
    expect(ana.page.get_by_text("You have no photos yet.")).to_be_visible()
    ana.expected_errors = ("404",)
    ana.page.goto(address)
    expect(ana.page.get_by_role("alert")).to_contain_text("There is nothing here")


def test_hostile_names_and_captions_are_shown_as_text(visit, draw):
    """In every view, markup is shown as text."""
    visitor = visit("lisbon")
    visitor.sign_up(HOSTILE, "PT")
    visitor.upload(draw(111), HOSTILE, "<b>name</b>.jpg")
    expect(visitor.page.get_by_text("<b>name</b>.jpg", exact=True)).to_be_visible()
    visitor.page.get_by_role("link", name="View photo").click()
    visitor.page.get_by_label("Add a comment").fill(HOSTILE)
    visitor.page.get_by_role("button", name="Comment").click()
    expect(visitor.page.locator(".comments .text")).to_have_text(HOSTILE)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    visitor.go("Mine")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    visitor.photo(HOSTILE)
    assert visitor.page.locator("main script, main img[src=x], main b").count() == 0
    assert visitor.page.title() not in ("1", "2")


def sign_out(visitor):
    visitor.go("Mine")
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(visitor.page.get_by_role("button", name="Sign up")).to_be_visible()


def test_a_handle_is_proposed_from_the_name(visit):
    """Until the visitor writes another one."""
    page = visit("lisbon").page
    page.get_by_label("Name").fill("Ana Sofía")
    expect(page.get_by_label("Handle", exact=True)).to_have_value("ana_sofia")
    page.get_by_label("Handle", exact=True).fill("mine")
    page.get_by_label("Name").fill("Ana")
    expect(page.get_by_label("Handle", exact=True)).to_have_value("mine")


def test_signing_out_ends_the_session_and_the_passphrase_signs_in_again(ana):
    """Nothing of the session stays in the browser."""
    handle = ana.handle()
    sign_out(ana)
    assert ana.handle() is None
    ana.sign_in(handle)
    ana.go("Mine")
    expect(ana.page.get_by_role("heading", name="Ana")).to_be_visible()


def test_people_sign_in_at_any_edge_by_their_homes_own(ana, visit):
    """The passphrase goes to Lisbon's edge, wherever the page comes from; and a like goes to another region."""
    sent = []
    other = visit("sydney")
    other.page.on("request", lambda request: sent.append((request.method, request.url)))
    other.sign_in(ana.handle())
    other.go("Mine")
    expect(other.page.get_by_role("heading", name="Ana")).to_be_visible()
    [url] = [url for method, url in sent if method == "POST"]
    assert url == f"{ana.edge_url}/v1/sessions"


def test_a_wrong_passphrase_is_explained(ana, visit):
    """Nobody is signed in."""
    visitor = visit("lisbon")
    visitor.expected_errors = ("401",)
    visitor.sign_in(ana.handle(), "open sesame, please")
    expect(visitor.page.get_by_text("This did not sign you in.")).to_be_visible()
    assert visitor.handle() is None


def test_a_recovery_code_sets_a_new_passphrase(ana, visit):
    """The codes are shown once, after the sign-up. The other browser is signed out."""
    code = ana.page.get_by_role("region", name="Recovery codes").get_by_role("listitem").nth(2).inner_text()
    handle, other = ana.handle(), visit("chicago")
    other.sign_in(handle, "a passphrase after that", code)
    other.go("Mine")
    expect(other.page.get_by_role("heading", name="Ana")).to_be_visible()
    sign_out(other)
    other.sign_in(handle, "a passphrase after that")
    other.go("Mine")
    expect(other.page.get_by_role("heading", name="Ana")).to_be_visible()


def test_a_user_ends_the_session_of_another_browser(ana, visit):
    """Its next request signs it out."""
    other = visit("frankfurt")
    other.sign_in(ana.handle())
    other.go("Mine")
    ana.go("Mine")
    ana.page.get_by_role("link", name="Account").click()
    ana.page.get_by_role("button", name="End Web page").click()
    expect(ana.page.get_by_role("list", name="Sessions").get_by_role("listitem")).to_have_count(1)
    other.expected_errors = ("401",)
    other.page.reload()
    expect(other.page.get_by_text("You are not signed in any more")).to_be_visible()


def test_two_tabs_of_a_browser_share_a_session(ana):
    """Neither exchanges a refresh token that the other has exchanged already."""
    tabs = [ana.page, ana.page.context.new_page()]
    for number in range(3):
        for tab in tabs:
            # Another query, so that the page is loaded anew.
            tab.goto(f"{ana.edge_url}/?{number}#/me", wait_until="commit")
        for tab in tabs:
            expect(tab.get_by_role("heading", name="Ana")).to_be_visible()
    assert ana.handle() is not None


def test_access_tokens_are_not_stored(ana):
    """Only what signs in again is, and that is exchanged at home."""
    ana.go("Mine")
    kept = ana.page.evaluate(
        "[...Object.values(localStorage), ...Object.values(sessionStorage), document.cookie].join()"
    )
    assert "eyJ" not in kept and ana.stored("refresh_token") in kept


def test_a_deleted_account_is_gone(ana, visit):
    """After the passphrase and a question."""
    handle = ana.handle()
    ana.go("Mine")
    ana.page.get_by_role("link", name="Account").click()
    ana.page.get_by_label("Your passphrase, to delete my account").fill(PASSPHRASE)
    ana.page.get_by_role("button", name="Delete my account").click()
    ana.page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(ana.page.get_by_role("button", name="Sign up")).to_be_visible()
    ana.expected_errors = ("401",)
    ana.sign_in(handle)
    expect(ana.page.get_by_text("This did not sign you in.")).to_be_visible()


@pytest.mark.parametrize("tab", ["Feed", "Mine", "People", "Upload"])
def test_every_view_fits_on_a_phone(visit, tab):
    """At 360 px, no view scrolls horizontally, and the tabs are at the bottom."""
    visitor = visit("lisbon", phone=True)
    visitor.sign_up("Ana", "PT")
    visitor.go(tab)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert visitor.page.get_by_role("navigation").bounding_box()["y"] > 600


@pytest.mark.parametrize(
    ("header", "edge", "text"),
    [
        ("lisbon; hit; ttl=3600", "lisbon", "hit"),
        ("frankfurt; hit, sydney; fwd=uri-miss; stored", "sydney", "miss"),
        ('"a, b; c"; fwd=miss; detail="x; hit, y"', "a, b; c", "miss"),
        (r'"say \"so\""; hit', 'say "so"', "hit"),
    ],
)
def test_the_badge_reads_the_nearest_cache(visit, header, edge, text):
    """The last member of Cache-Status is the cache nearest to the visitor; names may be quoted strings."""
    described = visit("lisbon").page.evaluate(
        "async header => (await import('/static/cache_status.js')).describe(header)", header
    )
    assert (described["edge"], described["text"]) == (edge, text)


def test_the_page_allows_no_foreign_script(visit, system):
    """The content security policy allows neither inline code nor scripts from other hosts."""
    visitor = visit("lisbon")
    policy = visitor.page.goto(system.edges["lisbon"]).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy or "script-src 'self';" in f"{policy};"


def test_a_link_of_the_demo_opens_signed_in(ana, visit):
    """At the view that it names. Afterwards the passphrase is not in the address, where others could read it."""
    other = visit("chicago", f"/#sign-in={ana.handle()}/{PASSPHRASE.replace(' ', '%20')}&to=me")
    expect(other.page.get_by_text("this link is not complete")).to_be_visible()
    ana.go("Mine")
    ana.page.get_by_role("link", name="Account").click()
    ana.page.get_by_label("New passphrase").fill("one-word-for-a-link")
    ana.page.get_by_label("Your passphrase, to change it").fill(PASSPHRASE)
    ana.page.get_by_role("button", name="Change it").click()
    expect(ana.page.get_by_text("You have a new passphrase")).to_be_visible()
    other.open(f"/#sign-in={ana.handle()}/one-word-for-a-link&to=me")
    expect(other.page.get_by_role("heading", name="Ana")).to_be_visible()
    assert other.page.url == f"{other.edge_url}/#/me"


@pytest.mark.parametrize("accepted", [True, False])
def test_a_link_does_not_sign_out_without_asking(visit, accepted):
    """Otherwise anybody's link could make people upload to an account that is not theirs."""
    other = visit("lisbon")
    other.sign_up("Eva", "PT")
    before = other.handle()
    other.page.once("dialog", lambda dialog: dialog.accept() if accepted else dialog.dismiss())
    other.expected_errors = ("401",)
    other.open("/#sign-in=nobody_at_all@eu-west/one-word-for-a-link")
    shown = "This did not sign you in" if accepted else "Feed"
    expect(other.page.get_by_role("heading", name=shown)).to_be_visible()
    assert other.handle() == before


def test_a_link_that_is_not_complete_says_so(visit):
    """Nobody is signed in."""
    visitor = visit("lisbon", "/#sign-in=nonsense")
    expect(visitor.page.get_by_text("this link is not complete")).to_be_visible()
    assert visitor.handle() is None
