"""The command line: every command with something odd in the place of its arguments."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from random import Random

from campaign.generated.category import Case
from campaign.generated.pictures import picture
from campaign.generated.trainings import trained_projectors
from campaign.judge import Refused, check_said
from campaign.mutate import odd_text
from helpers.make import some_identity
from helpers.tiny import tiny_face_vit, tiny_sd
from stableidentity_core.cli import main
from stableidentity_core.identity import save_identity
from stableidentity_core.methods.projector_file import save_projector

WRITTEN = {"--out", "--checkpoint", "target"}  # an odd text there must not lead out of the folder
COSTLY = {"--steps", "--batch-size", "--resolution", "--view-pool", "--checkpoint-every"}
DEAD = "http://127.0.0.1:9"  # a proxy that nobody is: nothing is ever fetched from the network
MAX_COSTLY = 64
BAR_UP = "\x1b[A"  # how tqdm moves between nested bars


def _commands(world: Path) -> dict[str, list[tuple[str, str]]]:
    model = [("--model", f"{world / 'model'}"), ("--device", "cpu")]
    who = [("--encoder", f"{world / 'encoder'}"), ("--photo", f"{world / 'photo.png'}")]
    small = [("--steps", "1"), ("--resolution", "64"), ("--batch-size", "1"), ("--seed", "0")]
    more = [("--hair-weight", "0.1"), ("--learning-rate", "1e-4"), ("--precision", "model")]
    train = [("--trigger", "anna"), ("--alpha", "0.6"), ("--face", "largest"), ("--out", "anna.safetensors")]
    names = [("--names", f"{world / 'names.txt'}"), ("--dtype", "fp32"), ("--checkpoint", "check.safetensors")]
    return {
        "train": [*model, *who, *small, *more, *train, *names, ("--checkpoint-every", "1")],
        "projector": [*model, who[0], ("--faces", f"{world / 'people'}"), *small, *more, train[-1], *names[:2]],
        "project": [*model, *who, ("--projector", f"{world / 'projector.safetensors'}"), train[0], train[-1]],
        "score": [("clip", f"{world / 'people'}"), *who, ("--face", "1"), ("--out", "score")],
        "prepare": [("photo", f"{world / 'photo.png'}"), ("--face", "largest"), ("--out", "prepared")],
        "inspect": [("file", f"{world / 'anna.safetensors'}")],
        "convert": [("source", f"{world / 'anna.safetensors'}"), ("target", "anna.pt"), ("--trigger", "ben")],
        "download": [("name", "bisenet"), ("--models", "."), ("--from", f"{world / 'people'}")],
    }


class Arguments:
    name = "arguments of the command line"
    memory = None

    def __init__(self, folder: Path):
        tiny_sd(folder / "model")
        tiny_face_vit(folder / "encoder")
        (folder / "people").mkdir()
        for number in range(2):
            picture(Random(number), (96, 96)).save(folder / "people" / f"{number}.png")
        picture(Random(9), (96, 96)).save(folder / "photo.png")
        (folder / "names.txt").write_text("Tom Cruise\nBrad Pitt\nTaylor Swift\n", "utf-8")
        save_identity(some_identity(), folder / "anna.safetensors")
        save_projector(trained_projectors()[0], folder / "projector.safetensors")
        self.world, self.commands = folder, _commands(folder)
        os.environ.update({name: DEAD for name in ("http_proxy", "https_proxy", "all_proxy")})

    def case(self, random: Random, folder: Path) -> Case:
        command = random.choice(sorted(self.commands))
        options = list(self.commands[command])
        for _ in range(random.choice((1, 1, 1, 2))):
            self._spoil(options, command, random)
        arguments = [command]
        for name, value in options:
            arguments += [name, value] if name.startswith("--") else [value]
        return Case(_shown(arguments, self.world), lambda: run(arguments, folder))

    def _spoil(self, options: list[tuple[str, str]], command: str, random: Random) -> None:
        place = random.randrange(len(options))
        name, _value = options[place]
        kept = command == "download" and name == "--from"
        match random.randrange(10):
            case 0 if not kept:
                del options[place]
                options or options.append(("--x", "y"))
            case 1:
                options.insert(place, (random.choice(("--unknown", "--steps", name)), "1"))
            case 2 | 3:
                options[place] = name, self._file(name, random)
            case _:
                options[place] = name, self._text(name, random)

    def _file(self, name: str, random: Random) -> str:
        """A path that exists, of another kind than is meant."""
        if name in WRITTEN:
            return random.choice((".", "anna.safetensors", "a/b/c.safetensors", "anna.txt", "anna", "x" * 300))
        there = sorted(path for path in self.world.iterdir())
        return str(random.choice((*there, Path("/dev/null"), Path("/nowhere"), self.world)))

    def _text(self, name: str, random: Random) -> str:
        text = odd_text(random).replace("\0", "").replace("\ud800", "\udc80")
        text = "".join(
            letter for letter in text if not "\ud800" <= letter <= "\udfff" or "\udc80" <= letter <= "\udcff"
        )
        if name in WRITTEN and (text.startswith(("/", "~")) or ".." in text):
            text = f"x{text.replace('..', '')}"
        if name in COSTLY and _number(text) > MAX_COSTLY:
            text = "-1"
        return text


def run(arguments: list[str], folder: Path) -> None:
    """As a user types it; Refused with exit code 1 or 2 and a text without a traceback."""
    before, out, err = os.getcwd(), io.BytesIO(), io.BytesIO()
    os.chdir(folder)
    shown = io.TextIOWrapper(out, "utf-8", write_through=True)
    told = io.TextIOWrapper(err, "utf-8", errors="backslashreplace", write_through=True)
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(told):
            code = main(arguments)
    except SystemExit as error:
        code = error.code
    finally:
        os.chdir(before)
    text = out.getvalue().decode() + err.getvalue().decode().replace(BAR_UP, "")
    assert "Traceback" not in text, text[-500:]
    check_said(text)
    if code != 0:
        assert code in (1, 2) and err.getvalue().strip(), f"exit code {code} and {text[:200]!r}"
        raise Refused


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0


def _shown(arguments: list[str], world: Path) -> str:
    words = (ascii(word.replace(str(world), "WORLD"))[1:-1][:60] for word in arguments)
    return " ".join(word if word else "''" for word in words)
