// The prompt box in hand: the text box of a node that the user was in last, in both renderers.

import { app } from "../../../scripts/app.js";

const PANEL = "[data-testid='properties-panel']";

let hand = null; // { graph, node, widget, element, start, end }
const watchers = new Set();

function owner(element) {
  const graph = app.canvas?.graph ?? app.graph;
  for (const node of graph?.nodes ?? []) {
    const widget = node.widgets?.find((one) => (one.element ?? one.inputEl) === element);
    if (widget) return { graph, node, widget }; // the classic renderer puts its own element over the canvas
  }
  const panel = element.closest(PANEL);
  if (panel) return ownerInPanel(graph, panel, element);
  const id = element.closest("[data-node-id]")?.dataset.nodeId; // Nodes 2.0
  const node = id === undefined ? null : (graph?.getNodeById(id) ?? graph?.getNodeById(Number(id)));
  if (!node) return null;
  const texts = textsOf(node);
  return { graph, node, widget: texts.find((one) => one.value === element.value) ?? texts[0] };
}

function textsOf(node) {
  return (node.widgets ?? []).filter((one) => typeof one.value === "string");
}

// The panel beside the canvas copies the boxes of the chosen nodes and does not say whose they are.
function ownerInPanel(graph, panel, element) {
  const isAlike = (one) => one.value === element.value;
  const owners = (graph?.nodes ?? [])
    .filter(isInPanel)
    .flatMap((node) => textsOf(node).filter(isAlike).map((widget) => ({ graph, node, widget })));
  const boxes = [...panel.querySelectorAll("textarea")].filter(isAlike);
  return boxes.length === owners.length ? owners[boxes.indexOf(element)] : null; // alike, and some are folded
}

// Nodes 2.0 may have chosen an earlier object of the same node.
function isInPanel(node) {
  const chosen = [...(app.canvas?.selectedItems ?? [])];
  return !chosen.length || chosen.some(({ id, type }) => id === node.id && type === node.type);
}

// The panel shows one node after the other in the same element.
function isInHand(element) {
  return element === hand?.element && (!element.closest(PANEL) || isInPanel(hand.node));
}

export function isPromptBox(element) {
  const canWrite = element instanceof HTMLTextAreaElement && !element.readOnly && !element.disabled;
  return canWrite && Boolean(isInHand(element) || owner(element)?.widget);
}

// Whether an element is the text box of a node; if so, it is in hand from now on, with its cursor.
export function takeInHand(element) {
  if (!isPromptBox(element)) {
    if (element instanceof HTMLTextAreaElement && element.closest(PANEL)) letGo();
    return false;
  }
  if (!isInHand(element)) {
    hand = { ...owner(element), element };
    tellWatchers();
  }
  [hand.start, hand.end] = [element.selectionStart, element.selectionEnd];
  return true;
}

function letGo() {
  hand = null;
  tellWatchers();
}

function tellWatchers() {
  watchers.forEach((told) => told());
}

export function watchPromptBoxes() {
  for (const kind of ["focusin", "select", "keyup", "pointerup", "input", "focusout"]) {
    document.addEventListener(kind, (event) => takeInHand(event.target), true);
  }
}

// Calls back when another box is taken in hand; returns what ends this.
export function onPromptBox(callback) {
  watchers.add(callback);
  return () => watchers.delete(callback);
}

// The box in hand, or null if its node is no longer in the graph that is shown.
export function promptBox() {
  const shown = app.canvas?.graph ?? app.graph;
  if (hand && (hand.graph !== shown || shown.getNodeById(hand.node.id) !== hand.node)) hand = null;
  return hand;
}

export function isInSight(element) {
  const { left, right, top, bottom, width } = element.getBoundingClientRect();
  return width > 0 && right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
}

// ComfyUI reads `embedding:NAME` only after a space, a bracket or at the beginning, and NAME up to a space or a comma.
function spaced(text, before, after) {
  return (/(^|[\s(])$/.test(before) ? "" : " ") + text + (/^($|[\s,):])/.test(after) ? "" : " ");
}

export function insert(text) {
  const { element, node, widget } = hand;
  const isShown = element.isConnected && isInHand(element);
  const whole = isShown ? element.value : String(widget.value);
  const [start, end] = [Math.min(hand.start, whole.length), Math.min(hand.end, whole.length)];
  const added = spaced(text, whole.slice(0, start), whole.slice(end));
  node.graph?.beforeChange?.();
  if (isShown) write(element, added, start, end);
  else {
    widget.value = whole.slice(0, start) + added + whole.slice(end);
    widget.callback?.(widget.value, app.canvas, node);
  }
  hand.start = hand.end = start + added.length;
  node.graph?.afterChange?.();
  app.canvas?.setDirty?.(true, true);
}

function write(element, added, start, end) {
  element.focus({ preventScroll: true });
  element.setSelectionRange(start, end);
  const isReady = document.activeElement === element; // not while its node is out of sight
  if (isReady && document.execCommand?.("insertText", false, added)) return; // keeps the box's own undo
  element.setRangeText(added, start, end, "end");
  element.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertText", data: added }));
}
