"""Made-up names and gids, realistic in what they do to parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_WORDS = """
launch review design draft budget customer onboarding sprint backlog migrate deploy incident vendor
contract legal campaign asset translate roadmap quarterly hiring interview schedule refactor
pipeline metrics dashboard import invoice renewal meeting release checklist security audit privacy
training workshop partner booth travel expense forecast pricing survey ticket
"""
_FIRST_NAMES = """
Ana Bo Carla Dmitri Eve Fatima Greg Hiro Inés José Kai Lena Nora Omar Priya Rosa Sven Tomás Uma
Víctor Wen Yara Zoë
"""
_LAST_NAMES = "Abe Costa Dvořák Haddad Kim Müller Nkosi O'Neil Øster Sanchez Silva Zhang"

WORDS = _WORDS.split()
FIRST_NAMES = _FIRST_NAMES.split()
LAST_NAMES = _LAST_NAMES.split()
SPICES = (
    "café",
    "Zürich",
    "日本語のメモ",
    "задача",
    "✅ done",
    "🚀",
    "\N{EN DASH} see §4",
    "“quoted”",
    "مرحبا",
    "Straße",
    "한국어",
    "<b>bold</b> & co.",
    'back\\slash "q"',
    "=1+1",
    "a,b;c",
)
COLORS = ("red", "orange", "green", "aqua", "blue", "purple", "none")


def gid(rng: Random) -> str:
    """Make a gid of 16, 17 or 19 digits: many are above 2**53, some above 2**63."""
    digits = rng.choice((16, 16, 16, 17, 19))
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


def title(rng: Random, most: int = 4) -> str:
    """Make a title of a few words, every third with something beyond plain ASCII letters."""
    words = rng.sample(WORDS, rng.randint(2, most))
    if rng.random() < 1 / 3:
        words.append(rng.choice(SPICES))
    return " ".join(words).capitalize()


def text(rng: Random) -> str:
    """Make a note of several lines, sometimes an empty one."""
    return "\n".join(title(rng, 9) for _ in range(rng.randrange(4)))


def person(rng: Random) -> str:
    """Make a person's name."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
