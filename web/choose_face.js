// Prepare Face: the photos of the last run on the node, with all faces that were found. A click on one sets which_face
// and face_number. The display follows these widgets, whoever changes them.

import { app } from "../../scripts/app.js";
import { addStyle, PhotoDisplay } from "./photo_display.js";
import { t } from "./texts.js";

const NODE = "StableIdentityPrepareFace";
const WIDGETS = ["which_face", "face_number"];
const SIZE = { width: 340, height: 300 }; // of a new node, and of the display in any
const FIRST_FRONTEND = [1, 41]; // older ones cannot leave out their own preview
const displays = new WeakMap(); // of nodes
const present = new Set(); // nodes in the graphs
const switched = new Set(); // the switches that are on, in all nodes; not a part of the workflow and its undo

function supported() {
  const version = String(globalThis.__COMFYUI_FRONTEND_VERSION__ ?? "0.0").split(".").map(Number);
  return version[0] > FIRST_FRONTEND[0] || (version[0] === FIRST_FRONTEND[0] && version[1] >= FIRST_FRONTEND[1]);
}

const widget = (node, name) => node.widgets?.find((one) => one.name === name);
const connected = (node) => WIDGETS.some((name) => node.inputs?.find((one) => one.widget?.name === name)?.link != null);

function marked(node, photo) {
  if (connected(node)) return photo.used ?? null;
  const rule = widget(node, "which_face")?.value;
  const number = rule === "number" ? widget(node, "face_number")?.value : photo.numbers[rule];
  return number >= 1 && number <= photo.faces.length ? number : null;
}

function choose(node, number) {
  if (connected(node)) return;
  const values = { which_face: "number", face_number: number };
  for (const [name, value] of Object.entries(values)) {
    const one = widget(node, name);
    if (!one) continue;
    one.value = value;
    one.callback?.(value, app.canvas, node);
  }
  node.setDirtyCanvas(true, true);
  remember();
}

// A step of undo. The frontend looks for changes when the mouse is released, which was before the click.
function remember() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
}

function hint(node, photos, state, portrait) {
  const faces = Math.max(...photos.map((photo) => photo.faces.length));
  if (connected(node)) {
    return t("{names} is connected: the face is chosen there.", { names: WIDGETS.map((name) => widget(node, name)?.label ?? name).join(" / ") });
  }
  if (!faces) {
    const missing = !state.failed && widget(node, "find_face")?.value === "auto"; // a detector
    return missing ? t("To have faces found, turn on download. Or set find_face to an installed detector.") : "";
  }
  const lines = [];
  const missing = photos.findIndex((photo) => photo.faces.length && marked(node, photo) === null);
  const changed = photos.some((photo) => marked(node, photo) !== (photo.used ?? null));
  const number = widget(node, "face_number")?.value;
  if (missing >= 0) {
    const values = { photo: missing + 1, number };
    const several = photos.length > 1;
    lines.push(several ? t("Photo {photo} has no face {number}.", values) : t("There is no face {number}: choose one.", values));
  } else if (changed) {
    lines.push(t("The marked face is used from the next run on."));
  } else if (faces > 1 && !portrait) {
    lines.push(t("Click a face to use it."));
  }
  if (state.photos > 1) {
    lines.push(t("face_number counts from the left in each of the {count} photos.", { count: state.photos }));
  }
  if (state.photos > photos.length) lines.push(t("{count} photos are shown.", { count: photos.length }));
  return lines.join(" ");
}

// Under this name the frontend keeps the output of a node.
function locator(node) {
  const inside = node.graph && node.graph !== (app.rootGraph ?? app.graph);
  return inside ? `${node.graph.id}:${node.id}` : String(node.id);
}

function refresh(node) {
  const display = displays.get(node);
  if (!display) return;
  takePlace(display.root, locator(node));
  const found = app.nodeOutputs?.[locator(node)];
  if (found === display.shown) return display.update();
  display.shown = found;
  const photos = found?.stableidentity_photos;
  if (!photos?.length) return display.clear();
  display.fill(photos, found.stableidentity_state?.[0] ?? {}, String(found.text?.[0] ?? ""));
}

// Nodes 2.0 goes on showing the element of a node that was replaced by one with the same number, as undo does.
function takePlace(element, name) {
  const other = document.querySelector(`.si-display[data-node="${CSS.escape(name)}"]`);
  element.dataset.node = name;
  if (other && other !== element && !element.isConnected) other.replaceWith(element);
}

function addDisplay(node) {
  const display = new PhotoDisplay({
    marked: (photo) => marked(node, photo),
    choose: (number) => choose(node, number),
    hint: (...rest) => hint(node, ...rest),
    switched,
    onSwitched: () => present.forEach(refresh),
  });
  display.root.addEventListener("pointerenter", () => refresh(node));
  display.root.addEventListener("wheel", (event) => {
    if (!globalThis.LiteGraph?.vueNodesMode && !event.target.closest(".si-report, .si-first")) {
      app.canvas.processMouseWheel(event);
    }
  });
  const added = node.addDOMWidget("faces", "stableidentity_faces", display.root, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => SIZE.height,
  });
  added.serialize = false; // of the workflow; the option is of the prompt
  display.root.style.minHeight = `${SIZE.height}px`; // for Nodes 2.0
  displays.set(node, display);
  for (const name of WIDGETS) {
    const one = widget(node, name);
    if (!one) continue;
    const before = one.callback;
    one.callback = function (...rest) {
      const result = before?.apply(this, rest);
      display.update();
      return result;
    };
  }
}

function after(type, name, act) {
  const before = type.prototype[name];
  type.prototype[name] = function (...rest) {
    const result = before?.apply(this, rest);
    act(this);
    return result;
  };
}

app.registerExtension({
  name: "StableIdentity.ChooseFace",
  setup() {
    if (supported()) addStyle();
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE || !supported()) return;
    nodeType.prototype.hideOutputImages = true; // in Nodes 2.0
    nodeType.prototype.onDrawBackground = () => {}; // draws the frontend's own preview in the classic renderer
    after(nodeType, "onNodeCreated", (node) => {
      addDisplay(node);
      node.setSize([Math.max(node.size[0], SIZE.width), node.computeSize()[1]]);
    });
    after(nodeType, "onExecuted", refresh);
    after(nodeType, "onConfigure", (node) => queueMicrotask(() => refresh(node)));
    after(nodeType, "onAdded", (node) => {
      present.add(node);
      queueMicrotask(() => refresh(node));
    });
    after(nodeType, "onRemoved", (node) => present.delete(node));
  },
  onNodeOutputsUpdated() {
    for (const node of present) refresh(node);
  },
});
