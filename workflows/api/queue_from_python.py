"""Queue a workflow in a running ComfyUI, wait for it, and save its pictures. Needs nothing but Python.

    python queue_from_python.py "01 Try it without downloads.json" --person 7 --out pictures

The file is in the API format: those beside this one, or what "Export (API)" in ComfyUI's menu writes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow", type=Path, help="a workflow in the API format")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="address of ComfyUI (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the pictures (the current one)")
    parser.add_argument("--person", type=int, help="number of the drawn person, for workflows of the mini world")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KIND.INPUT=VALUE", help="such as KSampler.seed=5"
    )
    options = parser.parse_args(arguments)
    prompt = json.loads(options.workflow.read_text("utf-8"))
    changes = [parse_change(text) for text in options.set]
    if options.person is not None:
        changes.append(("StableIdentityMiniWorldPerson", "person", options.person))
    for kind, name, value in changes:
        change(prompt, kind, name, value)
    try:
        outputs = run(options.server, prompt)
        for path in save_pictures(options.server, outputs, options.out):
            print(path)
    except urllib.error.HTTPError as error:
        print(f"ComfyUI refused it (HTTP {error.code}): {error.read().decode(errors='replace')}", file=sys.stderr)
        return 1
    except urllib.error.URLError as error:
        print(f"{error.reason}. Is ComfyUI running at {options.server}?", file=sys.stderr)
        return 1
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parse_change(text: str) -> tuple[str, str, Any]:
    """`KSampler.seed=5` -> the kind of node, the input, and the value: a number, true or false, or text."""
    where, _, value = text.partition("=")
    kind, _, name = where.partition(".")
    try:
        return kind, name, json.loads(value)
    except ValueError:
        return kind, name, value


def change(prompt: Json, kind: str, name: str, value: Any) -> None:
    """Set an input of every node of a kind."""
    found = [node["inputs"] for node in prompt.values() if node["class_type"] == kind and name in node["inputs"]]
    if not found:
        raise SystemExit(f"No node {kind} with an input {name} in this workflow.")
    for inputs in found:
        inputs[name] = value


def run(server: str, prompt: Json) -> Json:
    """Queue a prompt and wait for its end; returns what its nodes show, by node.

    Raises:
        RuntimeError: a node failed; tells which and why.
        HTTPError: ComfyUI did not accept the prompt; its answer tells why.
    """
    number = post(server, "/prompt", {"prompt": prompt})["prompt_id"]
    while not (ended := get(server, f"/history/{number}").get(number)):
        time.sleep(0.5)
    for kind, details in ended["status"]["messages"]:
        if kind == "execution_error":
            raise RuntimeError(f"{details['node_type']} (node {details['node_id']}): {details['exception_message']}")
    return ended["outputs"]


def save_pictures(server: str, outputs: Json, folder: Path) -> list[Path]:
    """Download the pictures and clips that were saved, not the previews; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for shown in outputs.values():
        for file in shown.get("images", []):
            if file["type"] == "output":
                paths.append(folder / file["filename"])
                paths[-1].write_bytes(fetch(server, f"/view?{urllib.parse.urlencode(file)}"))
    return paths


def get(server: str, path: str) -> Json:
    return json.loads(fetch(server, path))


def post(server: str, path: str, body: Json) -> Json:
    return json.loads(fetch(server, path, json.dumps(body).encode()))


def fetch(server: str, path: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(server + path, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


if __name__ == "__main__":
    sys.exit(main())
