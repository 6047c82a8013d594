// What the frontend does not translate by itself in the pack's nodes: choices of a list, "true" and "false",
// placeholders, and the names of sockets that grow.

import { app } from "../../scripts/app.js";
import { inputTexts, inputTextsEverywhere, t } from "./texts.js";

const GROWN = /^(?<group>.+)\.(?<socket>.+)_(?<number>\d+)$/; // faces.face_1

function translateWidget(widget, texts) {
  if (texts.options) widget.options.getOptionLabel = (value) => texts.options[value] ?? String(value ?? "");
  if (widget.element?.placeholder) widget.element.placeholder = texts.placeholder ?? texts.name ?? widget.name;
  if (widget.type === "toggle") nameSwitch(widget.options);
}

// The classic renderer writes these words beside the switch. Nodes 2.0 writes none, unless they are set.
function nameSwitch(options) {
  for (const [side, word] of [["on", "true"], ["off", "false"]]) {
    const given = options[side];
    Object.defineProperty(options, side, {
      get: () => given ?? (globalThis.LiteGraph.vueNodesMode || t(word) === word ? undefined : t(word)),
      enumerable: true,
      configurable: true,
    });
  }
}

function label(nodeId, name) {
  const { group, socket, number } = name.match(GROWN)?.groups ?? {};
  const called = group && inputTexts(nodeId, group).socket;
  return called ? `${called} ${number}` : socket && `${socket}_${number}`;
}

// A saved workflow has the names of the language in which it was saved, and those that a user gave.
function isOurs(nodeId, input) {
  const { group, socket, number } = input.name.match(GROWN)?.groups ?? {};
  if (!group) return false;
  const called = inputTextsEverywhere(nodeId, group).map((texts) => `${texts.socket} ${number}`);
  return [undefined, `${socket}_${number}`, ...called].includes(input.label);
}

function after(prototype, name, act) {
  const before = prototype[name];
  prototype[name] = function (...rest) {
    const result = before?.apply(this, rest);
    act(this);
    return result;
  };
}

app.registerExtension({
  name: "StableIdentity.TranslateNodes",
  beforeRegisterNodeDef(nodeType, { name: id }) {
    if (!id.startsWith("StableIdentity")) return;
    const node = nodeType.prototype;
    const addInput = node.addInput;
    node.addInput = function (name, type, extra) {
      return addInput.call(this, name, type, GROWN.test(name) ? { ...extra, label: label(id, name) } : extra);
    };
    after(node, "onNodeCreated", ({ widgets = [] }) => {
      for (const widget of widgets) translateWidget(widget, inputTexts(id, widget.name));
    });
    after(node, "onConfigure", ({ inputs = [] }) => {
      for (const input of inputs) if (isOurs(id, input)) input.label = label(id, input.name);
    });
  },
});
