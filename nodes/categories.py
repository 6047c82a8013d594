"""Where the nodes stand in the host's menus: in the order of use, which the host sorts by name."""

from __future__ import annotations

PHOTO = "StableIdentity/1 Photo"
LEARN = "StableIdentity/2 Learn"
USE = "StableIdentity/3 Use"
PEOPLE = "StableIdentity/4 People"
VIDEO = "StableIdentity/5 Video"
HEAD = "StableIdentity/6 Head"
MEASURE = "StableIdentity/7 Measure"
DEMO = "StableIdentity/8 Demo"

CATEGORIES = (PHOTO, LEARN, USE, PEOPLE, VIDEO, HEAD, MEASURE, DEMO)
