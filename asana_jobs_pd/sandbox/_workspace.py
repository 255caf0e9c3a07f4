"""The names, texts and custom fields that generated jobs and export rows are made of."""

from __future__ import annotations

from random import Random
from typing import Any

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
_UNUSUAL = """
café|Zürich|日本語のメモ|задача|✅ done|🚀|\N{EN DASH} see §4|“quoted”|مرحبا|Straße|한국어
<b>bold</b> & co.|back\\slash "q"|=1+1|a,b;c
"""

WORDS = _WORDS.split()
FIRST_NAMES = _FIRST_NAMES.split()
LAST_NAMES = _LAST_NAMES.split()
UNUSUAL = _UNUSUAL.strip().replace("\n", "|").split("|")
COLORS = ("red", "orange", "green", "aqua", "blue", "purple", "none")


def gid(rng: Random) -> str:
    """Return a gid of 16, 17 or 19 digits: many above 2**53, some above 2**63."""
    digits = rng.choice((16, 16, 16, 17, 19))
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


def title(rng: Random, most: int = 4) -> str:
    """Return a title of a few words; one in three has something besides ASCII letters."""
    words = rng.sample(WORDS, rng.randint(2, most))
    if rng.random() < 1 / 3:
        words.append(rng.choice(UNUSUAL))
    return " ".join(words).capitalize()


def text(rng: Random) -> str:
    """Return a note of several lines, sometimes empty."""
    return "\n".join(title(rng, 9) for _ in range(rng.randrange(4)))


def person(rng: Random) -> str:
    """Return a person's name."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


Json = dict[str, Any]

# Names are not unique: two different fields are called "Priority".
_DEFINITIONS: tuple[tuple[str, str, Json], ...] = (
    ("Notes", "text", {}),
    ("Cost", "number", {"precision": 2, "format": "currency", "currency_code": "EUR"}),
    ("Progress", "number", {"precision": 0, "format": "percentage"}),
    ("Größe (m²)", "number", {"precision": 3, "format": "custom", "custom_label": "m²"}),
    ("Priority", "enum", {}),
    ("Priority", "number", {"precision": 0, "format": "none"}),
    ("Areas", "multi_enum", {}),
    ("Launch", "date", {}),
    ("Owners", "people", {}),
    (
        "Cost per day",
        "number",
        {"precision": 2, "representation_type": "formula", "is_formula_field": True},
    ),
    ("ID", "text", {"representation_type": "custom_id", "id_prefix": "WEB"}),
    ("Related work", "reference", {}),
)
_OPTIONS = ("Low", "High", "Très élevée", "API", "UI/UX", "後で")
VALUES = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value",
    "multi_enum": "multi_enum_values",
    "date": "date_value",
    "people": "people_value",
    "reference": "reference_value",
}
_LISTS = ("multi_enum", "people", "reference")
_EMPTY_SHARE = 0.3


def definitions(rng: Random) -> list[Json]:
    """Return the custom fields of a workspace: one of every type, representation and format."""
    return [_definition(rng, *definition) for definition in _DEFINITIONS]


def _definition(rng: Random, name: str, kind: str, extra: Json) -> Json:
    field: Json = {
        "gid": gid(rng),
        "resource_type": "custom_field",
        "name": name,
        "type": kind,
        "resource_subtype": kind,
        "representation_type": kind,
        "enabled": True,
        "is_formula_field": False,
        "id_prefix": None,
        **extra,
    }
    if kind.endswith("enum"):
        field["enum_options"] = [
            {
                "gid": gid(rng),
                "resource_type": "enum_option",
                "name": option,
                "enabled": True,
                "color": rng.choice(COLORS),
            }
            for option in _OPTIONS
        ]
    return field


def filled(definition: Json, rng: Random, users: list[Json]) -> Json:
    """Return a custom field with a value, which is sometimes null or an empty list."""
    kind = definition["type"]
    value: Any = [] if kind in _LISTS else None
    shown = None
    if rng.random() > _EMPTY_SHARE:
        value, shown = _value(definition, rng, users)
    return {**definition, VALUES[kind]: value, "display_value": shown}


def _value(definition: Json, rng: Random, users: list[Json]) -> tuple[Any, str]:
    """Return a value, and the text that displays it."""
    match definition:
        case {"type": "text", "id_prefix": prefix}:
            text = f"{prefix}-{rng.randrange(1, 5000)}" if prefix else title(rng)
            return text, text
        case {"type": "number", "precision": precision, "format": "percentage"}:
            share = rng.randrange(101) / 100
            return share, f"{share:.{precision}%}"
        case {"type": "number", "precision": precision}:
            number = round(rng.uniform(0, 5000), precision)
            value = number if precision else int(number)
            return value, f"{value:.{precision}f}"
        case {"type": "enum", "enum_options": options}:
            option = rng.choice(options)
            return option, option["name"]
        case {"type": "date"}:
            day = f"{rng.randint(2019, 2027)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
            moment = f"{day}T{rng.randrange(24):02d}:00:00.000Z" if rng.random() < 1 / 3 else None
            return {"date": day, "date_time": moment}, moment or f"{day}T00:00:00.000Z"
        case {"type": "multi_enum", "enum_options": options}:
            items = rng.sample(options, rng.randint(1, 3))
        case {"type": "people"}:
            items = rng.sample(users, rng.randint(1, 3))
        case _:
            items = [{"gid": gid(rng), "resource_type": "task", "name": title(rng)}]
    return items, ", ".join(item["name"] for item in items)
