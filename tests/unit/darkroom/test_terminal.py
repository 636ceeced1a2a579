"""Text from users can't control the terminal."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from darkroom import terminal


@given(st.text(max_size=60))
def test_text_can_not_move_the_cursor(written):
    """No control character, line break or change of direction is left, and every character still has its position."""
    printed = terminal.plain(written)
    assert len(printed) == len(written)
    assert not any(char < " " or char in "\x7f\x9b\u2028\u202e" for char in printed)


def test_letters_of_every_script_are_kept():
    """Only characters without a visible shape are replaced by spaces."""
    assert terminal.plain("Café 海 🌊") == "Café 海 🌊"
    assert terminal.plain("a\x1b[31mb\nc") == "a [31mb c"


def test_markup_in_a_caption_is_printed_and_not_interpreted():
    """rich would interpret square brackets."""
    console = Console(file=None, width=80)
    with console.capture() as captured:
        console.print(terminal.text("[bold]loud[/] :smile:"))
    assert captured.get().strip() == "[bold]loud[/] :smile:"


def test_an_estimate_is_shown_in_words():
    """In minutes when it is long."""
    shown = [terminal.about(seconds) for seconds in (1, 20, 99, 100, 600)]
    assert shown == ["about 1 second", "about 20 seconds", "about 99 seconds", "about 2 minutes", "about 10 minutes"]
