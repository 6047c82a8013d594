"""Misspelled triggers in a prompt.

A prompt node would treat them as plain text, and the image would silently lack the person. So everything in brackets
that looks like the name of a connected identity is rejected, with the correct spelling.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection

from ..errors import StableIdentityError

# Variants of < and > from keyboards, input methods and web pages.
_OPEN = r"[<\uff1c\ufe64]|&lt;?|&LT;?|&#0*60;?|&#[xX]0*3[cC];?"
_CLOSE = r"[>\uff1e\ufe65]|&gt;?|&GT;?|&#0*62;?|&#[xX]0*3[eE];?"
# Brackets and quotes of other scripts: common around ordinary words, so only known names count there.
_QUOTES = ("\u2039\u203a", "\u00ab\u00bb", "\u3008\u3009", "\u300a\u300b", "\u27e8\u27e9", "\u2329\u232a")
_QUOTES += ("\u276c\u276d", "\u276e\u276f", "\u2770\u2771", "\u02c2\u02c3", "\u2264\u2265", "\u1438\u1433")
_BETWEEN = rf"(?:(?!{_OPEN}|{_CLOSE})[^\n]){{1,90}}?"
_ANGLES = re.compile(rf"(?:{_OPEN})({_BETWEEN})(?:{_CLOSE})")
_ALL = re.compile("|".join([_ANGLES.pattern, *(f"{a}([^{a}{b}\\n]{{1,90}}){b}" for a, b in _QUOTES)]))
_SPELLED = re.compile(r"[\w.-]{1,64}")  # letters of any language
_WEIGHTED = re.compile(r"\s*([^:]*[^:\s])\s*:\s*([0-9.]+)\s*")
_OF_OTHERS = re.compile(r"\s*[\w-]+\s*:")  # <lora:name:1>
# Letters of other alphabets that look like Latin ones.
_TWINS = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u04bb\u0501"
    "\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131",
    "abekmhopctyxsijhdaeikvoptuxi",
)


def check_lookalikes(text: str, known: Collection[str]) -> None:
    """Raise if a prompt contains an unknown trigger or a misspelled one.

    Args:
        known: normalised triggers, `<anna>`.
    """
    names = {_skeleton(trigger[1:-1]): trigger for trigger in known}
    unknown = [match.group(0) for match in _ANGLES.finditer(text) if _is_unknown(match, text, known)]
    if unknown:
        likely = [names[_skeleton(one)] for one in unknown if _skeleton(one) in names]
        raise StableIdentityError(
            f"The prompt contains {_shown(unknown) if likely else ', '.join(dict.fromkeys(unknown))}, but the "
            f"connected identities are: {', '.join(sorted(known)) or 'none'}. "
            f"{f'Type {likely[0]}' if likely else 'Correct the spelling'} or connect the identity. "
            f"Prompt: {shortened(text)!r}"
        )
    for match in _ALL.finditer(text):
        if match.group(0) not in known:
            _check_inner(match.group(0), next(filter(None, match.groups())), names, text)
    _check_halves(text, known)


def _is_unknown(match: re.Match[str], text: str, known: Collection[str]) -> bool:
    """Spelled like a trigger, but not a known one; `<b>` with a `</b>` is markup."""
    whole, inner = match.group(0), match.group(1)
    plain = whole == f"<{inner}>" or inner.isascii()
    if whole in known or not plain or not _SPELLED.fullmatch(inner):
        return False
    closing = rf"(?:{_OPEN})/\s*{re.escape(inner)}\s*(?:{_CLOSE})"
    return not re.search(closing, text, re.IGNORECASE)


def _check_inner(whole: str, inner: str, names: dict[str, str], text: str) -> None:
    """Raise if known names appear in brackets but not as triggers."""
    words = [inner, *re.split(r"[^\w.-]+", "".join(c for c in inner if unicodedata.category(c) != "Cf"))]
    triggers = list(dict.fromkeys(names[key] for key in map(_skeleton, words) if key in names))
    weighted = _WEIGHTED.fullmatch(inner)
    if weighted and _skeleton(weighted.group(1)) in names:
        trigger = names[_skeleton(weighted.group(1))]
        raise _refusal(whole, f"a weight goes outside the angle brackets. Type ({trigger}:{weighted.group(2)})", text)
    if triggers and not _OF_OTHERS.match(inner):
        raise _refusal(whole, f"it would be read as plain text. Type {' '.join(triggers)}", text)


def _check_halves(text: str, known: Collection[str]) -> None:
    """Raise if one of a trigger's brackets is missing."""
    for trigger in known:
        name = re.escape(trigger[1:-1])
        halves = rf"(?:{_OPEN}){name}(?![\w.-]|{_CLOSE})|(?<![\w.<\uff1c-]){name}(?:{_CLOSE})"
        for half in re.finditer(halves, text):
            line = text[: half.start()].rpartition("\n")[2]
            if not re.search(
                _OPEN, re.split(_CLOSE, line)[-1]
            ):  # otherwise it is the end of something like <lora:anna>
                raise _refusal(half.group(0), f"one bracket is missing. Type {trigger}", text)


def _refusal(whole: str, why: str, text: str) -> StableIdentityError:
    return StableIdentityError(
        f"The prompt contains {_shown([whole])}, which is not a trigger: {why}. Prompt: {shortened(text)!r}"
    )


def _skeleton(text: str) -> str:
    """Equal for text that looks alike: ignores brackets, accents, invisible characters, whitespace and case."""
    plain = unicodedata.normalize("NFKD", html.unescape(text)).casefold().translate(_TWINS)
    return "".join(c for c in plain if c in "._-" or c.isalnum())


def _shown(found: list[str]) -> str:
    """As typed, followed by the names of invisible and confusable characters."""
    odd = [unicodedata.name(c, f"U+{ord(c):04X}") for c in "".join(found) if not c.isascii()]
    names = ", ".join(dict.fromkeys(ascii(one)[1:-1] if not one.isprintable() else one for one in found))
    return names + (f" (with {', '.join(dict.fromkeys(odd))})" if odd else "")


def shortened(text: str) -> str:
    """The text, truncated for a message."""
    return text if len(text) <= 120 else text[:117] + "..."
