"""Texts: lists of names, triggers, prompts, names of files."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch

from campaign.generated.category import Case
from campaign.generated.identities import MB, words
from campaign.mutate import ODD_TEXTS, odd_text
from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.cli.models import read_names
from stableidentity_core.files.names import IfExists
from stableidentity_core.identity import Identity, find_triggers, load_identity, normalize_trigger
from stableidentity_core.identity.prompt import check_triggers, replace_triggers
from stableidentity_core.identity.save import save_under_name
from stableidentity_core.identity.triggers import triggers_of
from stableidentity_core.text import PromptLayout, TextSpace, build_name_space
from stableidentity_core.text.names import celebrity_names

ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "shift-jis", "koi8-r")


class Names:
    name = "names lists"
    memory = 200 * MB

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer = packaged_tokenizer(folder)
        self.table = words(0, 49408, 8)

    def case(self, random: Random, folder: Path) -> Case:
        path = folder / random.choice(("names.txt", "names.csv", "ä.txt"))
        way = random.random()
        lines = [self._line(random) for _ in range(random.choice((0, 1, 2, 5, 30)))]
        text = random.choice(("\n", "\r\n", "\r", "\u2028", ",")).join(lines)
        encoding = random.choice(ENCODINGS)
        content = text.encode(encoding, "replace") if way < 0.8 else random.randbytes(random.randrange(500))
        path.write_bytes(content)
        if way > 0.97:
            path = random.choice((folder, folder / "nowhere", Path("/dev/null"), folder / odd_text(random)[:99]))
        return Case(encoding if way < 0.8 else "noise", lambda: self._built(path))

    def _line(self, random: Random) -> str:
        ways = (lambda: random.choice(celebrity_names()), lambda: odd_text(random)[:300], lambda: "# a comment")
        return random.choice((ways[0], *ways))()

    def _built(self, path: Path) -> None:
        names = read_names(path)

        def tokenize(text: str) -> list[int]:
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]

        layout = PromptLayout(prefix=(49406,), suffix=(49407,), pad=0, window=77)
        space = TextSpace(
            name="clip_h",
            width=self.table.shape[1],
            layout=layout,
            tokenize=tokenize,
            embed=lambda ids: self.table[ids],
        )
        made = build_name_space(space, names)
        assert made.mean.isfinite().all() and made.std.isfinite().all(), "a name space that is not finite"


class Triggers:
    name = "triggers"
    memory = 100 * MB

    def __init__(self, folder: Path):
        pass

    def case(self, random: Random, folder: Path) -> Case:
        given = [odd_text(random) for _ in range(random.choice((1, 1, 2, 3)))]
        if random.random() < 0.3:
            given = [random.choice((",", ", ", ";")).join(given)]
        people = random.choice((1, 1, 2, 3))

        def act() -> None:
            for trigger in triggers_of(given, people):
                assert find_triggers(f"a {trigger} b") == [trigger] == [normalize_trigger(trigger)], trigger
                Identity(trigger=trigger, words={"clip_h": torch.ones(2, 4)})

        return Case(f"{len(given)} for {people}", act)


class Prompts:
    name = "prompts"
    memory = 100 * MB

    def __init__(self, folder: Path):
        pass

    def case(self, random: Random, folder: Path) -> Case:
        pieces = [random.choice((odd_text(random), random.choice(ODD_TEXTS), "<anna>", "a photo of")) for _ in range(5)]
        text = random.choice((" ", "", ", ")).join(pieces)
        known = random.choice((["<anna>"], ["<anna>", "<ben>"], []))

        def act() -> None:
            check_triggers(text, known, known)
            replaced = replace_triggers(text, dict.fromkeys(known, "embedding:x"))
            assert not set(known) & set(find_triggers(replaced)), "a trigger is left in the prompt"

        return Case(f"{len(known)} known", act)


class FileNames:
    name = "file names"
    memory = 100 * MB

    def __init__(self, folder: Path):
        self.person = Identity(trigger="anna", words={"clip_h": words(0, 2, 1024)})
        self.other = Identity(trigger="ben", words={"clip_h": words(1, 2, 1024)})

    def case(self, random: Random, folder: Path) -> Case:
        name = odd_text(random)
        if random.random() < 0.3:
            name = random.choice(("anna", "2026", "Anna", "a.b", "a-2")) + random.choice(
                (".safetensors", ".pt", "", ".")
            )
        if_exists = random.choice(list(IfExists))
        place = folder / "models" / "embeddings"

        def act() -> None:
            try:
                for person in (self.other, self.person):
                    path = save_under_name(person, place, name, if_exists)
                    assert load_identity(path).trigger == person.trigger, "another person under the name"
            finally:
                made = {path for path in folder.rglob("*") if path.is_file()}
                strangers = [path for path in made if path.parent != place or path.suffix != ".safetensors"]
                assert not strangers, f"files outside of the folder, or left over: {strangers}"

        return Case(if_exists.value, act)
