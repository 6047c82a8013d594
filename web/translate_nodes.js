// What the frontend does not translate by itself in the pack's nodes: choices of a list, "true" and "false",
// placeholders, and the names of sockets that grow. And room for wide letters, which it takes for narrow ones.

import { app } from "../../scripts/app.js";
import { inputTexts, inputTextsEverywhere, t } from "./texts.js";

const GROWN = /^(?<group>.+)\.(?<socket>.+)_(?<number>\d+)$/; // faces.face_1
const WIDE = /[\u1100-\uffff]/g;
const EDGES = 70; // of a title: the circle before it, and space
const BETWEEN = 60; // an input and an output of the same row

function translateWidget(widget, texts) {
  if (widget.name === "control_after_generate" && isTranslated(widget.value)) nameChoices(widget, t);
  if (texts.options) nameChoices(widget, (value) => texts.options[value] ?? value);
  const field = widget.element;
  if (field?.placeholder) field.placeholder = texts.placeholder ?? texts.name ?? field.placeholder;
  if (widget.type === "toggle") nameSwitch(widget.options);
}

function isTranslated(word) {
  return t(word) !== word;
}

function nameChoices(widget, name) {
  widget.options.getOptionLabel = (value) => name(String(value ?? ""));
}

// The classic renderer writes these words beside the switch. Nodes 2.0 writes none, unless they are set.
function nameSwitch(options) {
  for (const [side, word] of Object.entries({ on: "true", off: "false" })) {
    const given = options[side];
    const own = () => (isTranslated(word) && !globalThis.LiteGraph.vueNodesMode ? t(word) : undefined);
    Object.defineProperty(options, side, { get: () => given ?? own(), enumerable: true, configurable: true });
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

function width(text = "") {
  const size = globalThis.LiteGraph.NODE_TEXT_SIZE;
  const wide = text.match(WIDE)?.length ?? 0;
  return wide * size + (text.length - wide) * size * 0.6;
}

function widthOfRows({ inputs = [], outputs = [] }) {
  const name = (slot) => slot?.label ?? slot?.localized_name ?? slot?.name;
  const sockets = inputs.filter((input) => !input.widget);
  return outputs.map((output, row) => width(name(output)) + width(name(sockets[row])) + BETWEEN);
}

function after(prototype, name, act) {
  const before = prototype[name];
  prototype[name] = function (...rest) {
    const result = before?.apply(this, rest);
    act(this, result);
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
    after(node, "computeSize", (one, size) => {
      if (one.title.match(WIDE)) size[0] = Math.max(size[0], width(one.title) + EDGES, ...widthOfRows(one));
    });
    after(node, "onNodeCreated", ({ widgets = [] }) => {
      for (const widget of widgets) translateWidget(widget, inputTexts(id, widget.name));
    });
    after(node, "onConfigure", ({ inputs = [] }) => {
      for (const input of inputs) if (isOurs(id, input)) input.label = label(id, input.name);
    });
  },
});
