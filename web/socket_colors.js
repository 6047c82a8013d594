// One colour for each of the pack's own types: of sockets and links, in both renderers.
// They differ also for colour-blind people, on dark and on light, and from the colours of ComfyUI's own types.

import { app } from "../../scripts/app.js";

const COLORS = {
  STABLEIDENTITY_FACE: "#0077ff",
  STABLEIDENTITY_FACE_ENCODER: "#995599",
  STABLEIDENTITY_NAME_SPACE: "#aaaa00",
  STABLEIDENTITY_PROJECTOR: "#337700",
  STABLEIDENTITY_IDENTITY: "#ff77bb",
  STABLEIDENTITY_SCORES: "#00ff88",
  STABLEIDENTITY_HEAD_SETTINGS: "#550055",
};

// Whenever a colour theme is applied, the frontend empties the colours of types that the theme does not name.
function keepColor(table, type, color) {
  let themed = table[type];
  Object.defineProperty(table, type, {
    get: () => themed || color,
    set: (value) => (themed = value),
    enumerable: true,
    configurable: true,
  });
}

function colorCanvas() {
  for (const table of [app.canvas.default_connection_color_byType, globalThis.LGraphCanvas.link_type_colors]) {
    for (const [type, color] of Object.entries(COLORS)) keepColor(table, type, color);
  }
}

// Nodes 2.0 colours sockets by CSS variables. A theme sets them on the element itself, which wins over this rule.
function colorNodes2() {
  const rules = Object.entries(COLORS).map(([type, color]) => `--color-datatype-${type}: ${color};`);
  const style = document.createElement("style");
  style.textContent = `:root { ${rules.join(" ")} }`;
  document.head.append(style);
}

app.registerExtension({
  name: "StableIdentity.SocketColors",
  setup() {
    colorCanvas();
    colorNodes2();
  },
});
