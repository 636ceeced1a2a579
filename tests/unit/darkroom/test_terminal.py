"""What people have written can't take over a terminal."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from darkroom import terminal


@given(st.text(max_size=60))
def test_nothing_written_moves_the_cursor(written):
    """No control character, line break or change of direction is left, and no visible letter is lost."""
    shown = terminal.plain(written)
    assert len(shown) == len(written)
    assert not any(char < " " or char in "\x7f\x9b\u2028\u202e" for char in shown)


def test_letters_of_every_script_are_shown_as_they_are():
    """Only what has no shape of its own goes."""
    assert terminal.plain("Café 海 🌊") == "Café 海 🌊"
    assert terminal.plain("a\x1b[31mb\nc") == "a [31mb c"


def test_markup_in_a_caption_is_shown_and_not_obeyed():
    """Square brackets are rich's own language."""
    console = Console(file=None, width=80)
    with console.capture() as captured:
        console.print(terminal.text("[bold]loud[/] :smile:"))
    assert captured.get().strip() == "[bold]loud[/] :smile:"
