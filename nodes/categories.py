"""Where the nodes stand in the host's menus: in the order of use, which the host sorts by name."""

from __future__ import annotations

PHOTO = "StableIdentity/1 Photo"
LEARN = "StableIdentity/2 Learn"
USE = "StableIdentity/3 Use"
PEOPLE = "StableIdentity/4 People"
VIDEO = "StableIdentity/5 Video"
MEASURE = "StableIdentity/6 Measure"
DEMO = "StableIdentity/7 Demo"

CATEGORIES = (PHOTO, LEARN, USE, PEOPLE, VIDEO, MEASURE, DEMO)
