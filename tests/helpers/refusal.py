"""Prompts the server must refuse: with a sentence a user can act on, and with nothing lost or left behind."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from helpers.prompts import learn
from helpers.world import World
from stableidentity_core import errors
from stableidentity_core.comfyui import RunResult

Json = dict[str, Any]
NOT_IN_LIST = "Value not in list"
OURS = {name for name in vars(errors) if name.endswith("Error")}
_WIDGETS = count(6)  # `learn` itself uses 5, whose result the host has kept


def node(class_type: str, /, **inputs: Any) -> Json:
    """As prompts.node; an input may be called `kind`."""
    return {"class_type": class_type, "inputs": inputs}


class Refusals:
    """Queues bad prompts, and after each looks at files, log and the next good prompt."""

    def __init__(self, world: World):
        self.world = world
        self.good("the first prompt")

    def refused(self, prompt: Json, *needed: str, by: str = "our node") -> str:
        """Queue it, insist on a refusal whose message holds all of `needed`, and return the message.

        Args:
            by: `our node` while running, `our check` or `the schema` before anything runs.
        """
        files, log = self.files(), self._log_size()
        result = self.world.server.run(prompt)
        message = self._message(result, by)
        print(f"{result.status}: {message}")
        # Hosts before 0.8 do not look into the lists of V3 nodes; there the node itself refuses.
        unchecked = by == "the schema" and result.status == "error"
        missing = [word for word in needed if word not in message and not (unchecked and word == NOT_IN_LIST)]
        assert not missing, f"{missing} not in the message: {message}"
        assert self.files() == files, f"changed: {self.files().items() ^ files.items()}"
        self.clean(log)
        self.good(message)
        return message

    def good(self, after: str = "", train: bool = False) -> RunResult:
        """The whole path from photo to file; trained once a session, then found in the store unless `train`.

        The words must come out the same each time, or they would be saved a second time.
        """
        prompt = learn(self.world.eps, name="good", steps=1, preview_every=next(_WIDGETS), force_retrain=train)
        result = self.world.server.run(prompt)
        assert result.status == "success", f"after {after!r} a good prompt failed: {result.error}"
        assert "train" in result.executed_nodes
        assert not self.world.embedding("good-2").exists(), f"after {after!r} the same training gave other words"
        return result

    def files(self) -> dict[Path, tuple[int, int]]:
        """Embeddings and stored trainings, with size and time of change; a stored training's is that of its use."""
        folders = self.world.server.models / "embeddings", self.world.server.user / "stableidentity"
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        stats = {path: path.stat() for path in found}
        return {
            path: (state.st_size, 0 if path.parent == self.world.store else state.st_mtime_ns)
            for path, state in stats.items()
        }

    def clean(self, log_from: int, errors: int = 1) -> None:
        """No half-written file anywhere, and no traceback in the log but that of the raised error."""
        assert not list(self.world.server.base.rglob("*.part"))
        with self.world.server.log_file.open("rb") as file:
            file.seek(log_from)
            log = file.read().decode(errors="replace")
        raised = log.count("!!! Exception during processing !!!")
        chained = log.count("direct cause of the following") + log.count("During handling of the above")
        assert raised <= errors and log.count("Traceback (most recent call last)") == raised + chained, log

    def _log_size(self) -> int:
        return self.world.server.log_file.stat().st_size

    def _message(self, result: RunResult, by: str) -> str:
        if by == "our node" or (by == "the schema" and result.status == "error"):
            assert result.status == "error", f"{result.status}: {result.error}"
            (event,) = result.of("execution_error")
            assert event.data["exception_type"] in OURS, event.data["exception_type"]
            return event.data["exception_message"].strip()
        # The host runs what else of the prompt can be run, such as Prepare Face.
        assert result.refused, f"{result.status}: {result.error}"
        assert not result.executed_nodes & {*result.node_errors}
        reasons = [reason for node in result.node_errors.values() for reason in node["errors"]]
        kind = {"our check": "custom_validation_failed", "the schema": "value_"}[by]
        assert reasons and all(reason["type"].startswith(kind) for reason in reasons), reasons
        heads = [reason["message"] + ": " if by == "the schema" else "" for reason in reasons]
        return "; ".join(head + reason["details"] for head, reason in zip(heads, reasons, strict=True))
