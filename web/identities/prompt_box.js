// The prompt box in hand: the text box of a node that the user was in last, in both renderers.

import { app } from "../../../scripts/app.js";

let hand = null; // { graph, node, widget, element, start, end }
const watchers = new Set();

function owner(element) {
  const graph = app.canvas?.graph ?? app.graph;
  for (const node of graph?.nodes ?? []) {
    const widget = node.widgets?.find((one) => (one.element ?? one.inputEl) === element);
    if (widget) return { graph, node, widget }; // the classic renderer puts its own element over the canvas
  }
  const id = element.closest("[data-node-id]")?.dataset.nodeId; // Nodes 2.0
  const node = id === undefined ? null : (graph?.getNodeById(id) ?? graph?.getNodeById(Number(id)));
  if (!node) return null;
  const texts = (node.widgets ?? []).filter((one) => typeof one.value === "string");
  return { graph, node, widget: texts.find((one) => one.value === element.value) ?? texts[0] };
}

export function isPromptBox(element) {
  const canWrite = element instanceof HTMLTextAreaElement && !element.readOnly && !element.disabled;
  return canWrite && Boolean(element === hand?.element || owner(element)?.widget);
}

// Whether an element is the text box of a node; if so, it is in hand from now on, with its cursor.
export function takeInHand(element) {
  if (!isPromptBox(element)) return false;
  if (element !== hand?.element) {
    hand = { ...owner(element), element };
    watchers.forEach((told) => told());
  }
  [hand.start, hand.end] = [element.selectionStart, element.selectionEnd];
  return true;
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
  const whole = element.isConnected ? element.value : String(widget.value);
  const [start, end] = [Math.min(hand.start, whole.length), Math.min(hand.end, whole.length)];
  const added = spaced(text, whole.slice(0, start), whole.slice(end));
  node.graph?.beforeChange?.();
  if (element.isConnected) write(element, added, start, end);
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
