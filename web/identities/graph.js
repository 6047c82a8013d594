// Load Identity nodes: added with a person, and kept pointing at a person who was renamed.

import { app } from "../../../scripts/app.js";

const LOAD = "StableIdentityLoad";

function choose(node, name) {
  const widget = node.widgets?.find((one) => one.name === "name");
  if (!widget) return;
  const values = widget.options?.values;
  if (Array.isArray(values) && !values.includes(name)) values.push(name); // saved after the page was loaded
  widget.value = name;
}

function middle() {
  const { canvas } = app.canvas;
  const box = canvas.getBoundingClientRect();
  return app.clientPosToCanvasPos([box.left + box.width / 2, box.top + box.height / 2]);
}

function isFree(graph, [x, y]) {
  return !graph.nodes.some((node) => Math.abs(node.pos[0] - x) < 20 && Math.abs(node.pos[1] - y) < 20);
}

// Adds a Load Identity node with this person, at a place of the canvas or in the middle of the view.
export function addLoader(person, place = null) {
  const graph = app.canvas.graph ?? app.graph;
  const node = globalThis.LiteGraph.createNode(LOAD);
  if (!node) return null;
  const [x, y] = place ?? middle();
  node.pos = place ? [x, y] : [x - node.size[0] / 2, y - node.size[1] / 2];
  while (!isFree(graph, node.pos)) node.pos = [node.pos[0] + 30, node.pos[1] + 30];
  graph.beforeChange?.();
  graph.add(node);
  choose(node, person.load);
  graph.afterChange?.();
  app.canvas.select ? (app.canvas.deselectAll?.(), app.canvas.select(node)) : app.canvas.selectNode?.(node);
  app.canvas.setDirty(true, true);
  return node;
}

function everyNode(graph, visit) {
  for (const node of graph?.nodes ?? []) {
    visit(node);
    if (node.subgraph) everyNode(node.subgraph, visit);
  }
}

// Points the open workflow's Load Identity nodes to a person's new file.
export function followRename(before, after) {
  everyNode(app.rootGraph ?? app.graph, (node) => {
    const widget = node.type === LOAD && node.widgets?.find((one) => one.name === "name");
    if (!widget) return;
    if (widget.value === before) choose(node, after);
    const values = widget.options?.values;
    if (Array.isArray(values) && values.includes(before)) values.splice(values.indexOf(before), 1);
  });
}
