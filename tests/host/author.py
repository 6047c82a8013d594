"""Author the UI-format workflows: `workflows/api/NAME.json` plus the notes below -> `workflows/NAME.json`.

Run as a program, with COMFYUI_PATH set and a Chromium installed, after changing an API file or a note.
Values, widgets and links come from the real frontend; this file only places nodes and writes notes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from video_notes import SCORE, UPSCALE, VIDEO, VIDEO_FILES, VIDEO_POSE

ROOT = Path(__file__).resolve().parents[2]
COLUMN, GAP = 430, 60
NOTE_WIDTH = 420

LEARN = """## Learn a person from one photo

1. Choose **SD2.1-base** (512, not the 768 model) and **any photo** with the face in it.
2. Look at **Faces found**, at the coloured masks and at the report first: a bad photo makes a bad word.
3. Queue. The first previews look like fog; that is how it should be, they show single noisy steps.
4. The file lands in `models/embeddings`. From now on `embedding:person-1` works in every prompt.

**Three settings that matter**
- `trigger` and the name in Save Identity: one per person.
- `hair_weight`: 0.1 is the paper's; 1.0 keeps the haircut, if the hair is marked (orange).
- `steps`: 450 is the paper's.

Prepare Face uses the face networks that are in place; turn on its `download` once to fetch them (163 MB). Without
them it takes square portraits, aligned as in FFHQ. To mark the face yourself, paint on the photo in the mask editor and
connect **MASK** of Load Image to `face_mask`.

Queued again unchanged, nothing is trained twice."""

FILES = """## Files this needs

- `models/checkpoints/v2-1_512-ema-pruned.safetensors`
- `models/stableidentity/face_encoders/vit-base-patch16-224-in21k-face-recognition/` (for learning)

Sources are listed in MODELS.md of the pack."""

PREPARE = """## Any photo becomes a portrait

1. Choose a photo: a holiday picture, a group, a phone portrait.
2. Queue. **Faces found** numbers the faces from left to right; `which_face` and `face_number` choose one.
3. The portrait is turned and cut as in FFHQ; blue is learned as face, orange as hair.
4. The report says what is good and what to change. With `strict` a bad photo is an error.

Turn on `download` once: RetinaFace and BiSeNet (163 MB) are fetched into `models/stableidentity`. Sources and
licences: MODELS.md of the pack.

Several photos of one person: batch them (they must have one size then) and connect the batch; all are learned
together."""

USE = """## Use a person anywhere

Two ways, the same result bit by bit:
- **Without any node of ours**: type `embedding:person-1` in a prompt. A space must stand before it.
- **Apply Identity**: every prompt node behind it understands `<person-1>`, with weights as
  `(<person-1>:1.2)`. A misspelt trigger is an error, not a stranger's face.

Run *learn_from_photo* first, then press **R** so that the lists know the new file. If you learned the person
again, it was saved as `person-1-2`: choose it here."""

POSE = """## A person in a given pose

Stock ControlNet nodes; the person comes in through the prompt alone, so the photo's pose is not copied.

- The ControlNet must be one for **SD2.1**, such as `control_v11p_sd21_openposev2.safetensors` of
  thibaud/controlnet-sd21 on Hugging Face, in `models/controlnet`.
- The pose map is an OpenPose picture, 512x512.
- **Channel Order**: `RGB` hands the map on as it is drawn; the published notebook swaps red and blue (`BGR`). Try both.
- CFG 8.5, as in the paper."""

MINI_WORLD = """## Nothing to download: the mini world

A tiny Stable Diffusion of **drawn** faces, which comes with the pack. It shows how the method works; about real
photos it says nothing.

1. Queue. **Draw a Person** makes the photo, **StableIdentity Train** learns it, four prompts put the same person
   into new pictures.
2. Change `person`: every number is somebody else. It is learned anew; going back costs nothing.
3. Change the prompts. The mini world knows few words: its help page (click the node, then **?**) lists them.

**What must stay**
- `resolution` 128 in StableIdentity Train (advanced) and 128x128 in EmptyLatentImage: the mini world knows no other
  size.

Saved as `anna`. In this world's prompts `embedding:anna` works from now on; for SD2.1 learn a real photo with
*learn_from_photo*."""

TWO_PEOPLE = """## Two people in one picture

Both are learned, then taught to the CLIP one after the other: **Apply Identity** → **Apply Identity**. Any prompt
behind them understands `<anna>` and `<ben>`, also `(<anna>:1.2)`.

1. Queue. Two trainings, each once; *mini_world* shares the first.
2. Change the two prompts: what each wears, where they are.
3. Change the two `person` numbers.

**How each gets a place of their own**: stock nodes. A mask for the left, one for the right, 32 pixels shared with soft
edges; **Conditioning (Set Mask)** ties a prompt to a mask, **Conditioning (Combine)** puts both together.

`mask bounds` lets the model see each half by itself, as a picture of 128x128: the mini world has never seen two people
at once. With SD2.1 take masks of the picture's size, `default` in place of `mask bounds`, and combine a third prompt
without a mask that says what both do: `two people playing chess`. Or try one prompt alone first:
`<anna> and <ben> playing chess`."""

SEVERAL = """## Several people learned at once

1. Queue. **Several People** gathers two faces and their triggers; **StableIdentity Train** learns both side by side, in
   less time than one after the other. Connect up to eight, or lists of faces.
2. Its outputs are **lists**: every node behind it runs once for each person. So **Save Identity** saves `anna` and
   `ben`, and one prompt paints each of them: **Apply Identity** calls each in turn `<somebody>`.
3. **Pick Identity** takes one out of the list. With two of them both stand in one picture, each with a place of their
   own as in *two_people*.

Who was learned before is taken from the store, and the others alone are trained. Each learns the same words as alone,
but for rounding.

`people_at_once` (advanced) says how many are learned side by side; lower it if the memory is too small."""

MIX = """## People made of people

1. Queue. **Interpolate Identities** goes from anna to ben in five steps: every node behind it runs once a step.
2. **Sample Identity** draws carl, who does not exist: no photo, no training. Change its `seed`.
3. **Mix Identities** takes as much of all three. Change the weights.
4. **Map of Identities** shows where all of them lie among the names of celebrities, and the largest and smallest values
   of their words.

All of them keep the statistics of the names, so prompts treat them like a name. **Save Identity** keeps whom you like.

The mini world's names lie on a smooth space that was made for them. How well sampled people do in SD2.1 has not been
measured."""

METHODS = """## One person, three methods

1. Queue. The same drawn person is learned three times, and painted from the same prompts and seeds. Each saved picture
   shows, from the left: the photo, **StableIdentity**, **Celeb-Basis**, **Textual Inversion**.
2. Change `person` or the prompts. What was learned before is not learned again.

**What differs**
- `method`, and with it `steps`, `learning_rate`, `batch_size` and `alpha`: each method has its own defaults.
  Choosing a method in StableIdentity Train sets them.
- Textual Inversion needs no face encoder. Its 5,000 steps of 4 views take by far the longest: on a CPU lower `steps`
  for a first look.

Everything else is the same for all three: photo, mask, prompts of the training, `augmentation`, optimiser. Drawn people
only; about real photos it says nothing."""

INSTANT = """## A person at once

**Load Mini World** brings a `projector` that was learned over many drawn people. With it a new face becomes a word

- **without any training**: Encode Face → **Project to Name Space** → Apply Identity, the upper row;
- **with 25 steps** from there: the input `projector` of StableIdentity Train, the lower row.

1. Queue. Change `person` and queue again: every number is somebody whom nothing here has ever seen.
2. Compare the rows with *mini_world*, which takes 100 steps from nothing.

For SD1.5, SD2.1 and SDXL a projector is made by *train_projector*, from a folder of photos. Drawn people only; about
real photos this says nothing."""

PROJECTOR = """## A projector from a folder of people

1. Put photos, each of another person, into `input/people`: some hundreds, the more different the better. You need the
   people's consent, as for any training.
2. Choose **SD2.1-base** (or SD1.5, or SDXL with `resolution` 1024) and queue. This takes long, but only once. Cancel
   when you like: queued again, it goes on.
3. **Save Projector** writes `models/stableidentity/projectors/projector.safetensors`.
4. From now on: **Load Projector** → **Project to Name Space**, or → `projector` of **StableIdentity Train**.

Photos named after celebrities (`Tom Cruise.jpg`) can teach it first: set `known_people` to `first`.

If memory runs out, halve `batch_size` and double `steps`. Measured on drawn people only so far."""

NOTES = {
    "prepare_photo": [PREPARE],
    "learn_from_photo": [LEARN, FILES],
    "use_identity": [USE, FILES],
    "controlnet_pose": [POSE, FILES],
    "video_from_identity": [VIDEO, VIDEO_FILES],
    "video_upscale": [UPSCALE],
    "video_with_pose": [VIDEO_POSE, VIDEO_FILES],
    "video_score": [SCORE],
    "mini_world": [MINI_WORLD],
    "instant_identity": [INSTANT],
    "train_projector": [PROJECTOR, FILES],
    "compare_methods": [METHODS],
    "two_people": [TWO_PEOPLE],
    "several_people": [SEVERAL],
    "mix_identities": [MIX],
}


def depths(ui: dict) -> dict[int, int]:
    """Column of each node: the longest way from a node without inputs."""
    sources: dict[int, list[int]] = {node["id"]: [] for node in ui["nodes"]}
    for _id, source, _output, target, *_rest in ui["links"]:
        sources[target].append(source)

    def depth(node: int) -> int:
        return 1 + max((depth(source) for source in sources[node]), default=-1)

    return {node: depth(node) for node in sources}


def place(ui: dict) -> None:
    """Columns by depth, in each column by id."""
    column_of = depths(ui)
    bottom: dict[int, float] = {}
    for node in sorted(ui["nodes"], key=lambda node: node["id"]):
        column = column_of[node["id"]]
        top = bottom.get(column, 0)
        node["pos"] = [column * COLUMN, top]
        if node["type"] in ("PreviewImage", "SaveImage", "LoadImage"):
            node["size"] = [NOTE_WIDTH - 40, 340]
        bottom[column] = top + node["size"][1] + GAP


def add_notes(ui: dict, notes: list[str]) -> None:
    """Notes in a column of their own, left of the graph."""
    top = 0
    for text in notes:
        height = 60 + 24 * (text.count("\n") + len(text) // 70)
        ui["last_node_id"] += 1
        ui["nodes"].append(
            {
                "id": ui["last_node_id"],
                "type": "MarkdownNote",
                "pos": [-NOTE_WIDTH - GAP, top],
                "size": [NOTE_WIDTH, height],
                "flags": {},
                "order": 0,
                "mode": 0,
                "inputs": [],
                "outputs": [],
                "title": "Note",
                "properties": {},
                "widgets_values": [text],
            }
        )
        top += height + GAP


def main() -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from host.frontend import browser_path, open_frontend, ui_from_api
    from host.server import ComfyServer

    with tempfile.TemporaryDirectory() as base:
        server = ComfyServer(Path(os.environ["COMFYUI_PATH"]), Path(base)).start()
        try:
            with open_frontend(server.url, browser_path()) as page:
                for name, notes in NOTES.items():
                    api = json.loads((ROOT / "workflows/api" / f"{name}.json").read_text("utf-8"))
                    ui = ui_from_api(page, api)
                    place(ui)
                    add_notes(ui, notes)
                    ui["extra"] = {"ds": {"scale": 0.62, "offset": [500, 160]}}
                    (ROOT / "workflows" / f"{name}.json").write_text(json.dumps(ui, indent=1) + "\n", "utf-8")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
