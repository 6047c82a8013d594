"""Where the nodes stand in the host's menus: in the order of use, which the host sorts by name."""

from __future__ import annotations

PHOTO = "StableIdentity/1 Photo"
LEARN = "StableIdentity/2 Learn"
USE = "StableIdentity/3 Use"
PEOPLE = "StableIdentity/4 People"
VIDEO = "StableIdentity/5 Video"
DEMO = "StableIdentity/6 Demo"

CATEGORIES = (PHOTO, LEARN, USE, PEOPLE, VIDEO, DEMO)
