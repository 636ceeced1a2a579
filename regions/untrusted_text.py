"""What texts from outside have to look like, wherever they come in: from clients, other regions or files. Pure."""

import re
from unicodedata import category

SHA256 = re.compile("[0-9a-f]{64}")
"""A SHA-256 as we write it: in hexadecimal, lower case."""

# Control characters, and halves of surrogate pairs, which UTF-8 can't encode.
_NOT_TEXT = ("Cc", "Cs")
# These change the order in which the text after them is displayed (Unicode UAX #9), and so can make another user's
# text appear to say something else.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str, most_chars: int) -> str:
    """Its first characters, with a space for each that controls a terminal or the direction of what follows."""
    return "".join(char if char.isprintable() else " " for char in text[:most_chars])


def has_controls(text: str, allowed: str = "") -> bool:
    """Whether there is a control character in it, or another that is no text, that is not `allowed`."""
    return any((category(letter) in _NOT_TEXT or letter in _BIDI_CONTROLS) and letter not in allowed for letter in text)
