"""The web page in a real browser, over the real system: what people do with it, and what strangers try."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def test_signing_up_says_where_the_photos_will_live(visit):
    """Portugal's photos live in eu-west, whichever edge was asked."""
    visitor = visit("sydney")
    visitor.sign_up("Ines", "PT")
    expect(visitor.page.get_by_text("Your photos will live in eu-west.")).to_be_visible()


def test_one_can_sign_up_with_the_keyboard_alone(visit):
    """Every field is reached by Tab, in order, and Enter sends."""
    visitor = visit("lisbon")
    visitor.page.get_by_label("Name").focus()
    visitor.page.keyboard.type("Rui")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type("Portugal")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("heading", name="Welcome, Rui")).to_be_focused()


def test_an_uploaded_photo_becomes_ready_and_hangs_under_mine(ana, draw):
    """From choosing a file to seeing it, with its caption."""
    ana.upload(draw(101, 900, 600), "The harbour")
    ana.go("Mine")
    assert ana.photo("The harbour").evaluate("image => image.naturalWidth") > 100


def test_several_photos_go_up_together(ana, draw, jpeg):
    """Each has a row that says when it is ready."""
    ana.choose(jpeg(draw(102), "one.jpg"), jpeg(draw(103), "two.jpg"), jpeg(draw(104), "three.jpg"))
    ana.page.get_by_role("button", name="Upload these 3 photos").click()
    expect(ana.page.get_by_role("link", name="Look at it")).to_have_count(3, timeout=60_000)


def test_a_dropped_photo_lands_on_the_bench(ana, draw):
    """Wherever on the page it is let go."""
    transfer = ana.page.evaluate_handle(
        "data => { const t = new DataTransfer();"
        "t.items.add(new File([new Uint8Array(data)], 'dropped.jpg', {type: 'image/jpeg'})); return t; }",
        list(draw(105)),
    )
    ana.page.dispatch_event("#main", "drop", {"dataTransfer": transfer})
    expect(ana.page.get_by_role("button", name="Upload this photo")).to_be_visible()
    expect(ana.page.get_by_text("dropped.jpg")).to_be_visible()


def test_a_part_that_failed_is_sent_again(ana, draw, jpeg):
    """The connection breaks once; the page asks where the part stands, and goes on."""
    ana.foreseen = ("net::ERR_FAILED",)
    broken = []

    def break_once(route):
        if broken or route.request.method != "PUT":
            return route.continue_()
        broken.append(route.request.url)
        route.abort()

    ana.page.route("**/part/**", break_once)
    ana.upload(draw(106))
    assert len(broken) == 1


def test_a_text_named_jpg_shows_the_reason(ana, jpeg):
    """It goes up, is looked at, and does not come out; the page says why."""
    ana.choose(jpeg(b"To whom it may concern: this is a text.", "holiday.jpg"))
    ana.page.get_by_role("button", name="Upload this photo").click()
    state = ana.page.locator("[data-state=failed] .state")
    expect(state).to_contain_text("did not come out", timeout=60_000)
    expect(state).not_to_contain_text("No reason")


def test_a_file_that_is_no_photo_is_refused_before_it_goes_up(ana):
    """The bench says at once what it takes."""
    ana.choose({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"notes"})
    expect(ana.page.locator("[data-state=refused] .state")).to_contain_text("JPEG, PNG, WebP, HEIC and AVIF")
    expect(ana.page.get_by_role("button", name="Upload this photo")).to_be_hidden()


def test_a_follower_elsewhere_sees_the_photo_in_the_feed(ana, visit, draw):
    """Ana's link, opened through Chicago's edge: sign up, follow, and her photo comes."""
    ana.upload(draw(107, 900, 600), "Seen from afar")
    bob = visit("chicago", ana.link())
    bob.page.get_by_role("link", name="Sign up to follow Ana").click()
    bob.sign_up("Bob", "US")
    bob.page.get_by_role("link", name="Go on").click()
    bob.page.get_by_role("button", name="Follow Ana").click()
    expect(bob.page.get_by_role("button", name="Unfollow Ana")).to_be_visible()
    bob.go("Feed")
    assert bob.photo("Seen from afar").evaluate("image => image.currentSrc").startswith(bob.edge_url)


def test_one_follows_by_id_and_unfollows_again(ana, visit):
    """The id out of somebody's link is enough; the list shows whom one follows."""
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


def test_what_is_no_id_is_explained(ana):
    """And nothing is asked."""
    ana.go("People")
    ana.page.get_by_label("Follow by id or link").fill("Eva")
    ana.page.get_by_role("button", name="Find").click()
    expect(ana.page.get_by_role("alert").filter(has_text="There is no id in that")).to_be_visible()


def test_a_photo_is_liked_and_talked_about(ana, draw):
    """The heart counts, and takes back; what was said stays there."""
    ana.upload(draw(108), "To be liked")
    ana.page.get_by_role("link", name="Look at it").click()
    ana.page.get_by_role("button", name="Like, 0 so far").click()
    ana.page.get_by_label("Add a comment").fill("How blue!")
    ana.page.get_by_role("button", name="Comment").click()
    expect(ana.page.get_by_text("How blue!")).to_be_visible()
    ana.page.reload()
    expect(ana.page.get_by_text("How blue!")).to_be_visible()
    ana.page.get_by_role("button", name="Unlike, 1 so far").click()
    expect(ana.page.get_by_role("button", name="Like, 0 so far")).to_be_visible()


def test_older_photos_come_when_asked_for(visit, system, draw):
    """Thirty at a time; the button goes when there are no more, and the keyboard goes on where it was."""
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


def test_a_badge_says_which_edge_gave_the_photo_and_whether_it_keeps_it(ana, visit, draw):
    """A photo of the Union is kept at Lisbon's edge; Sydney's fetches it by way of Lisbon and keeps nothing."""
    ana.upload(draw(109, 900, 600), "With a badge")
    ana.page.get_by_role("link", name="Look at it").click()
    expect(ana.page.locator(".badge")).to_contain_text("lisbon")
    path = ana.page.url.removeprefix(ana.edge_url)
    expect(visit("lisbon", path).page.locator(".badge")).to_contain_text("lisbon hit kept at this edge")
    expect(visit("sydney", path).page.locator(".badge")).to_contain_text("by way of lisbon, and not kept here")


def test_a_deleted_photo_is_gone_and_its_address_says_so(ana, draw):
    """Only after being asked twice."""
    ana.upload(draw(110), "To be deleted")
    ana.page.get_by_role("link", name="Look at it").click()
    ana.page.get_by_role("button", name="Delete").click()
    address = ana.page.url
    ana.page.get_by_role("button", name="Delete it").click()
    expect(ana.page.get_by_text("Nothing developed yet.")).to_be_visible()
    ana.foreseen = ("404",)
    ana.page.goto(address)
    expect(ana.page.get_by_role("alert")).to_contain_text("There is nothing here")


def test_hostile_names_and_captions_are_shown_as_text(visit, draw):
    """In every view: what looks like markup is letters."""
    visitor = visit("lisbon")
    visitor.sign_up(HOSTILE, "PT")
    visitor.upload(draw(111), HOSTILE, "<b>name</b>.jpg")
    expect(visitor.page.get_by_text("<b>name</b>.jpg", exact=True)).to_be_visible()
    visitor.page.get_by_role("link", name="Look at it").click()
    visitor.page.get_by_label("Add a comment").fill(HOSTILE)
    visitor.page.get_by_role("button", name="Comment").click()
    expect(visitor.page.locator(".said")).to_have_text(HOSTILE)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    visitor.go("Mine")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    visitor.photo(HOSTILE)
    assert visitor.page.locator("main script, main img[src=x], main b").count() == 0
    assert visitor.page.title() not in ("1", "2")


def test_signing_out_forgets_the_key_and_the_key_lets_one_in_again(ana):
    """What was copied before is the only way back."""
    key = ana.key()
    ana.go("Mine")
    ana.page.get_by_role("button", name="Sign out").click()
    ana.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(ana.page.get_by_role("button", name="Sign up")).to_be_visible()
    assert ana.key() is None
    ana.page.get_by_text("I have a key already").click()
    ana.page.get_by_label("Your key").fill(key)
    ana.page.get_by_role("button", name="Sign in").click()
    ana.go("Mine")
    expect(ana.page.get_by_role("heading", name="Ana")).to_be_visible()


def test_a_key_that_is_none_is_explained(visit):
    """And nobody is signed in."""
    visitor = visit("lisbon")
    visitor.page.get_by_text("I have a key already").click()
    visitor.page.get_by_label("Your key").fill("open sesame")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_text("You need a valid key for this.")).to_be_visible()
    assert visitor.key() is None


@pytest.mark.parametrize("tab", ["Feed", "Mine", "People", "Upload"])
def test_nothing_sticks_out_on_a_phone(visit, tab):
    """At 360 px no view scrolls sideways, and the tabs stay in reach at the bottom."""
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
    """The content security policy names no exception for inline code, and no other host for scripts."""
    visitor = visit("lisbon")
    policy = visitor.page.goto(system.edges["lisbon"]).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy or "script-src 'self';" in f"{policy};"
