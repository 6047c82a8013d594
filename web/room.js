// Nodes that show something while they run: they are large enough for it from the beginning, and in the end show their
// results in place of the last preview.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const TEXT = 64; // what the frontend adds for a node's text, and for a picture
const PICTURE = 290;
const ROOM = {
  StableIdentityTrain: TEXT + PICTURE,
  StableIdentityTrainProjector: TEXT + PICTURE,
  StableIdentityTemporalScore: TEXT + PICTURE,
  StableIdentityScore: TEXT + PICTURE,
  StableIdentityReport: TEXT + PICTURE,
  StableIdentityKnowsNames: TEXT + PICTURE,
  StableIdentityHead3D: TEXT + PICTURE,
  StableIdentitySaveSplat: TEXT,
  StableIdentityPrepareFolder: TEXT,
  StableIdentityMap: TEXT,
};

// The node of an id such as "5:3", node 3 in the subgraph that is node 5.
function nodeAt(id) {
  return String(id)
    .split(":")
    .reduce((node, part) => (node.subgraph ?? node).getNodeById?.(part) ?? {}, app.rootGraph ?? app.graph);
}

// The frontend prefers a node's previews to its results. Where this store cannot be had, the last preview stays.
function dropPreviews(id) {
  const pinia = document.getElementById("vue-app")?.__vue_app__?.config.globalProperties.$pinia;
  pinia?._s?.get("nodeOutput")?.revokePreviewsByExecutionId?.(String(id));
}

app.registerExtension({
  name: "StableIdentity.Room",
  // A node that would grow later would cover those below it. A size that a workflow has stored is kept.
  nodeCreated(node) {
    const room = ROOM[node.comfyClass];
    if (!room) return;
    const [width, height] = node.computeSize();
    node.setSize([Math.max(width, node.size[0]), height + room]);
  },
  setup() {
    api.addEventListener("executed", ({ detail }) => {
      const id = detail?.display_node ?? detail?.node;
      if (detail?.output?.images?.length && ROOM[nodeAt(id).comfyClass]) dropPreviews(id);
    });
  },
});
