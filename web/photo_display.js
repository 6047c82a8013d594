// What Prepare Face shows: the first line of the report, the photos, a hint, switches for what is laid over the photos,
// and the whole report.

import { photoPicture } from "./photo_picture.js";
import { t } from "./texts.js";

const SWITCHES = ["portrait", "mask", "oval", "landmarks"];
const STYLE = `
.si-display { display: flex; flex-direction: column; gap: 6px; box-sizing: border-box; overflow: hidden; padding: 2px;
  font: 12px/1.35 system-ui, sans-serif; color: var(--input-text, #ddd); }
.si-display > * { flex: none; }
.si-first { margin: 0; padding: 4px 6px; border-radius: 4px; overflow: auto; max-height: 5.6em; overflow-wrap: anywhere; }
.si-first.si-warning { background: #5c4300; color: #fff; }
.si-first.si-failed { background: #6b1f1f; color: #fff; max-height: 13em; }
.si-display > .si-photos { flex: 1 1 0; min-height: 120px; display: grid; gap: 4px; overflow: auto;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); grid-auto-rows: minmax(120px, 1fr); }
.si-photo { width: 100%; height: 100%; min-height: 0; user-select: none; }
.si-ground { fill: #8884; } /* until the photo has come */
.si-back { fill: transparent; cursor: pointer; }
.si-box { fill: none; stroke: #eee; stroke-width: 2; vector-effect: non-scaling-stroke; pointer-events: none;
  filter: drop-shadow(0 0 1px #000); }
.si-face { outline: none; cursor: pointer; }
.si-face:hover .si-ground { fill: #8884; } /* until the photo has come */
.si-back { fill: #ffc80033; }
.si-marked .si-box { stroke: #ffc800; stroke-width: 4; }
.si-face:focus-visible .si-box { stroke: #4da3ff; stroke-width: 4; stroke-dasharray: 6 4; }
.si-label rect { fill: #eee; stroke: #000; stroke-width: 1; vector-effect: non-scaling-stroke; }
.si-label text { fill: #000; font-family: system-ui, sans-serif; font-weight: 600; }
.si-marked .si-label rect { fill: #ffc800; }
.si-landmarks circle { fill: #eee; stroke: #000; stroke-width: 1; vector-effect: non-scaling-stroke; pointer-events: none; }
.si-landmarks.si-marked circle { fill: #ffc800; }
.si-oval { fill: none; stroke: #fff; stroke-width: 2; stroke-dasharray: 7 5; vector-effect: non-scaling-stroke;
  pointer-events: none; filter: drop-shadow(0 0 1px #000); }
.si-photo > image, .si-photo > g > image { pointer-events: none; }
.si-display > .si-empty { flex: 1; display: grid; place-items: center; margin: 0; padding: 20px; text-align: center;
  border: 1px dashed #888; border-radius: 4px; opacity: 0.7; }
.si-hint { margin: 0; min-height: 1.35em; }
.si-switches { display: flex; flex-wrap: wrap; gap: 4px; }
.si-switches button { border: 1px solid #888; border-radius: 4px; padding: 1px 8px; background: transparent; color: inherit;
  font: inherit; cursor: pointer; }
.si-switches button[aria-pressed="true"] { background: #ffc800; border-color: #ffc800; color: #000; }
.si-switches button:disabled { opacity: 0.4; cursor: default; }
.si-report { max-height: 40%; overflow: auto; }
.si-report pre { margin: 4px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; }
.si-display summary { cursor: pointer; }
`;

function html(kind, className, text = "") {
  const element = document.createElement(kind);
  element.className = className;
  element.textContent = text;
  return element;
}

/** Adds the style once to the page. */
export function addStyle() {
  document.head.append(Object.assign(html("style", "", STYLE), { id: "stableidentity-photos" }));
}

/**
 * The element that is shown on a node.
 *
 * node: what the display asks of the node: `marked(photo)`, the number of the face that the widgets choose, or null;
 * `choose(number)`; `hint(photos, state, portrait)`; `switched`, a Set of those of SWITCHES that are on; `onSwitched()`.
 */
export class PhotoDisplay {
  constructor(node) {
    this.node = node;
    this.root = html("div", "si-display");
    this.first = html("p", "si-first");
    this.photos = html("div", "si-photos");
    this.photos.setAttribute("role", "group");
    this.photos.setAttribute("aria-label", t("Faces in the photo"));
    this.hint = html("p", "si-hint");
    this.hint.setAttribute("aria-live", "polite");
    this.switches = html("div", "si-switches");
    this.report = html("details", "si-report");
    this.report.append(html("summary", "", t("Whole report")), html("pre", ""));
    this.pictures = [];
    this.clear();
  }

  get empty() {
    return !this.pictures.length;
  }

  clear() {
    this.pictures = [];
    this.root.replaceChildren(html("p", "si-empty", t("After a run, the photo is shown here, and a click chooses a face.")));
  }

  /** The output of the node, as nodes/face_view.py makes it. */
  fill(photos, state, text) {
    this.found = { photos, state };
    const [first, ...rest] = text.split("\n");
    this.first.textContent = first.replace(/^\[!\] /, "\u26a0 ");
    this.first.classList.toggle("si-warning", first.startsWith("[!]"));
    this.first.classList.toggle("si-failed", Boolean(state.failed));
    this.report.lastChild.textContent = text;
    this.report.hidden = !rest.length;
    this.gone = false;
    const onGone = () => {
      this.gone = true;
      this.update();
    };
    const pictures = photos.map((photo) => photoPicture(photo, state.oval, (number) => this.choose(number), onGone));
    this.pictures = pictures;
    this.photos.replaceChildren(...pictures.map((one) => one.root));
    this.switches.replaceChildren(...SWITCHES.map((name) => this.switch(name)));
    this.root.replaceChildren(this.first, this.photos, this.hint, this.switches, this.report);
    this.update();
  }

  switch(name) {
    const names = { portrait: t("Portrait"), mask: t("Mask"), oval: t("Oval"), landmarks: t("Landmarks") };
    const titles = {
      portrait: t("The aligned portrait in place of the photo"),
      mask: t("What is learned: the face in blue, the hair in orange"),
      oval: t("Where the face of an aligned portrait is expected"),
      landmarks: t("Eyes, nose and corners of the mouth, as the detector found them"),
    };
    const button = html("button", "", names[name]);
    button.type = "button";
    button.title = titles[name];
    button.dataset.name = name;
    button.addEventListener("click", () => {
      const on = this.node.switched;
      if (!on.delete(name)) on.add(name);
      this.node.onSwitched();
    });
    return button;
  }

  choose(number) {
    this.node.choose(number);
    this.update();
  }

  /** Shows what the widgets of the node say now. */
  update() {
    if (this.empty) return;
    const { photos, state } = this.found;
    const can = {
      portrait: photos.some((photo) => photo.square || photo.faces.length),
      mask: photos.some((photo) => photo.mask),
      oval: photos.some((photo) => photo.square || photo.faces.length),
      landmarks: photos.some((photo) => photo.faces.length),
    };
    const on = Object.fromEntries(SWITCHES.map((name) => [name, this.node.switched.has(name)]));
    this.pictures.forEach((one, at) => one.update({ ...on, marked: this.node.marked(photos[at]) }));
    for (const button of this.switches.children) {
      button.setAttribute("aria-pressed", on[button.dataset.name]);
      button.disabled = !can[button.dataset.name];
    }
    this.hint.textContent = this.gone
      ? t("The pictures of the last run are no longer on the server. Run the node again.")
      : this.node.hint(photos, state, on.portrait);
  }
}
