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
2. Look at **Faces found**, at the coloured masks and at the report first: a bad photo gives a bad result.
3. Queue. The first previews look like fog. That is normal: they show single noisy steps.
4. The file is saved to `models/embeddings`. From now on `embedding:person-1` works in every prompt.

**Three settings that matter**
- `trigger` and the name in Save Identity: one per person.
- `hair_weight`: 0.1 is the paper's; 1.0 keeps the haircut, if the hair is masked (orange).
- `steps`: 450 is the paper's.

Prepare Face uses the installed face networks; turn on its `download` once to download them (163 MB). Without them it
takes square portraits, aligned as in FFHQ. To mask the face yourself, paint on the photo in the mask editor and connect
**MASK** of Load Image to `face_mask`.

A training that was done before is not repeated."""

FILES = """## Files this needs

- `models/checkpoints/v2-1_512-ema-pruned.safetensors`
- `models/stableidentity/face_encoders/vit-base-patch16-224-in21k-face-recognition/` (for learning)

Sources are listed in the pack's MODELS.md."""

PREPARE = """## Any photo becomes a portrait

1. Choose a photo: a holiday picture, a group, a phone portrait.
2. Queue. **Faces found** numbers the faces from left to right; `which_face` and `face_number` choose one.
3. The portrait is rotated and cropped as in FFHQ; blue is learned as face, orange as hair.
4. The report says what is good and what to change. With `strict`, a bad photo is an error.

Turn on `download` once: RetinaFace and BiSeNet (163 MB) are downloaded to `models/stableidentity`. Sources and
licences: the pack's MODELS.md.

Several photos of one person: batch them (they must have the same size) and connect the batch; all are learned
together."""

USE = """## Use a person anywhere

Two ways, with bit-identical results:
- **Without any node of this pack**: type `embedding:person-1` in a prompt, with a space before it.
- **Apply Identity**: every prompt node after it understands `<person-1>`, with weights such as
  `(<person-1>:1.2)`. A misspelt trigger is an error, not a stranger's face.

Run *learn_from_photo* first, then press **R** to refresh the lists. If you learned the person again, it was saved as
`person-1-2`: choose it here."""

POSE = """## A person in a given pose

Stock ControlNet nodes; the person is only in the prompt, so the photo's pose is not copied.

- The ControlNet must be one for **SD2.1**, such as `control_v11p_sd21_openposev2.safetensors` of
  thibaud/controlnet-sd21 on Hugging Face, in `models/controlnet`.
- The pose map is an OpenPose picture, 512x512.
- **Channel Order**: `RGB` leaves the map unchanged; the published notebook swaps red and blue (`BGR`). Try both.
- CFG 8.5, as in the paper."""

MINI_WORLD = """## Nothing to download: the mini world

A tiny Stable Diffusion of **drawn** faces, which comes with the pack. It shows how the method works, but says nothing
about real photos.

1. Queue. **Draw a Person** makes the photo, **StableIdentity Train** learns it, four prompts put the same person
   into new pictures.
2. Change `person`: each number is a different person, who is then learned. Going back costs nothing.
3. Change the prompts. The mini world knows few words: its help page (click the node, then **?**) lists them.

**Do not change**
- `resolution` 128 in StableIdentity Train (advanced) and 128x128 in EmptyLatentImage: the mini world only works at this
  size.

Saved as `anna`. From now on `embedding:anna` works in the mini world's prompts; for SD2.1, learn a real photo with
*learn_from_photo*."""

TWO_PEOPLE = """## Two people in one picture

Both are learned, then added to the CLIP one after another: **Apply Identity** → **Apply Identity**. Any prompt node
after them understands `<anna>` and `<ben>`, also `(<anna>:1.2)`.

1. Queue. Two trainings; the first is shared with *mini_world*.
2. Change the two prompts: what each person wears, where they are.
3. Change the two `person` numbers.

**How each person gets a place**: with stock nodes. One mask for the left, one for the right, overlapping by 32 pixels
with soft edges; **Conditioning (Set Mask)** ties a prompt to a mask, **Conditioning (Combine)** combines both.

`mask bounds` makes the model process each half separately, as a picture of 128x128: the mini world has never seen two
people at once. With SD2.1, use masks of the picture's size and `default` instead of `mask bounds`, and combine a third
prompt without a mask that says what both do: `two people playing chess`. Or try a single prompt first:
`<anna> and <ben> playing chess`."""

SEVERAL = """## Several people learned at once

1. Queue. **Several People** collects two faces and their triggers; **StableIdentity Train** learns both together,
   faster than one after another. A free socket appears with each person; a socket also takes a list of faces.
2. Its outputs are **lists**: every node after it runs once per person. So **Save Identity** saves `anna` and `ben`, and
   one prompt gives a picture of each: **Apply Identity** gives each in turn the trigger `<somebody>`.
3. **Pick Identity** picks one from the list. With two of these nodes, both people appear in one picture, each with a
   mask as in *two_people*.

People learned before are loaded from the store; only the others are trained. Each learns the same words as alone, up to
rounding.

`people_at_once` (advanced) sets how many are learned together; lower it if memory runs out."""

MIX = """## New people from existing ones

1. Queue. **Interpolate Identities** goes from anna to ben in five steps: every node after it runs once per step.
2. **Sample Identity** samples carl, who does not exist: no photo, no training. Change its `seed`.
3. **Mix Identities** blends all three equally. Change the weights.
4. **Map of Identities** plots all of them among the celebrity names, with the largest and smallest values of their
   words.

All of them keep the statistics of the names, so prompts treat them like a name. **Save Identity** saves those you like.

The mini world's names lie in a smooth space that was made for them. How well sampled people work in SD2.1 has not been
measured."""

METHODS = """## One person, three methods

1. Queue. The same drawn person is learned three times, then generated with the same prompts and seeds. Each saved
   picture shows, from the left: the photo, **StableIdentity**, **Celeb-Basis**, **Textual Inversion**.
2. Change `person` or the prompts. Trainings that were done before are not repeated.

**What differs**
- `method`, and with it `steps`, `learning_rate`, `batch_size` and `alpha`: each method has its own defaults.
  Choosing a method in StableIdentity Train sets them.
- Textual Inversion needs no face encoder. Its 5,000 steps of 4 views take by far the longest: on a CPU, lower `steps`
  for a first look.

Everything else is the same for all three: photo, mask, training prompts, `augmentation`, optimiser. Drawn people only;
it says nothing about real photos."""

INSTANT = """## A person without training

**Load Mini World** provides a `projector` that was trained on many drawn people. With it, a new face becomes a word

- **without any training**: Encode Face → **Project to Name Space** → Apply Identity, the upper row;
- **with 25 steps** from there: the input `projector` of StableIdentity Train, the lower row.

1. Queue. Change `person` and queue again: each number is a person that none of the models has seen.
2. Compare the rows with *mini_world*, which takes 100 steps from scratch.

For SD1.5, SD2.1 and SDXL, train a projector with *train_projector*, from a folder of photos. Drawn people only; this
says nothing about real photos."""

PROJECTOR = """## A projector from a folder of people

1. Put photos, each of a different person, into `input/people`: several hundred, the more varied the better. You need
   the people's consent, as for any training.
2. Choose **SD2.1-base** (or SD1.5, or SDXL with `resolution` 1024) and queue. This takes long, but only once. Cancel
   any time: queued again, it resumes.
3. **Save Projector** writes `models/stableidentity/projectors/projector.safetensors`.
4. From now on: **Load Projector** → **Project to Name Space**, or → `projector` of **StableIdentity Train**.

Photos named after celebrities (`Tom Cruise.jpg`) can be used for a warm start: set `warm_start` to `first`.

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
    from helpers.frontend import browser_path, open_frontend, ui_from_api
    from helpers.server import ComfyServer

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
