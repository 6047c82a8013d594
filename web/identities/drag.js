// Dragging a person: onto the canvas, which adds a Load Identity node, or into a prompt box.

import { app } from "../../../scripts/app.js";
import { isPromptBox, takeInHand } from "./prompt_box.js";

const KIND = "application/x-stableidentity-person";
let dragged = null;

export function makeDraggable(element, person) {
  element.draggable = true;
  element.addEventListener("dragstart", (event) => {
    dragged = person;
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData(KIND, person.file);
  });
  element.addEventListener("dragend", () => (dragged = null));
}

function isText(element) {
  return element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
}

function canTake(target) {
  if (isText(target)) return isPromptBox(target);
  return Boolean(app.canvas?.canvas?.parentElement?.contains(target));
}

function putCursor(box, event) {
  const place = document.caretPositionFromPoint?.(event.clientX, event.clientY);
  const at = place?.offsetNode === box ? place.offset : box.value.length;
  box.focus({ preventScroll: true });
  box.setSelectionRange(at, at);
}

// `insert` is called with a person dropped into a prompt box, `load` with one dropped onto the canvas, and the place.
export function acceptDrops({ insert, load }) {
  const listen = (kind, act) =>
    document.addEventListener(
      kind,
      (event) => {
        if (!dragged || !event.dataTransfer?.types.includes(KIND) || !canTake(event.target)) return;
        event.preventDefault();
        event.stopPropagation();
        act(event);
      },
      true,
    );
  listen("dragover", (event) => (event.dataTransfer.dropEffect = "copy"));
  listen("drop", (event) => {
    if (isText(event.target)) {
      putCursor(event.target, event);
      if (takeInHand(event.target)) insert(dragged);
    } else load(dragged, app.clientPosToCanvasPos([event.clientX, event.clientY]));
  });
}
