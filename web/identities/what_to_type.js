// What stands for a saved person in a prompt box: `embedding:NAME`, which every prompt understands, or `<trigger>` where
// this very file is brought to the box by Load Identity with Apply Identity or Prompt with Identity. Of people of some
// flow models the server gives `<trigger>` in any case.

const APPLY = "StableIdentityApply";
const PROMPT = "StableIdentityEncodePrompt";
const LOAD = "StableIdentityLoad";
const SKIPPED = new Set([2, 4]); // muted, bypassed

function source(node, input) {
  const link = input.link == null ? null : (node.graph.getLink?.(input.link) ?? node.graph.links[input.link]);
  return link ? node.graph.getNodeById(link.origin_id) : null; // none where a subgraph begins
}

function readers(node) {
  const found = [node];
  for (const one of found) {
    for (const output of one.outputs ?? []) {
      if (output.type !== "STRING") continue;
      for (const id of output.links ?? []) {
        const link = one.graph.getLink?.(id) ?? one.graph.links[id];
        const next = link && one.graph.getNodeById(link.target_id);
        if (next && !found.includes(next)) found.push(next);
      }
    }
  }
  return found;
}

// The nodes through which a CLIP has come to this one, itself included.
function clipWay(node) {
  const found = [node];
  for (const one of found) {
    for (const input of one.inputs ?? []) {
      const before = input.type === "CLIP" || one.type === "Reroute" ? source(one, input) : null;
      if (before && !found.includes(before)) found.push(before);
    }
  }
  return found;
}

function text(node, name) {
  const input = node.inputs?.find((one) => one.widget?.name === name);
  return input?.link == null ? node.widgets?.find((one) => one.name === name)?.value : undefined; // a link: not known
}

function triggerOf(loader, person, renamed) {
  if (loader?.type !== LOAD || SKIPPED.has(loader.mode) || text(loader, "name") !== person.load) return null;
  const own = text(loader, "trigger");
  if (renamed === undefined || own === undefined) return null;
  const bare = (renamed.trim() || own.trim() || person.trigger).replace(/^<|>$/g, "");
  return bare ? `<${bare}>` : null;
}

// The text to insert, or "" if there is none, and whether the person is brought to the box.
export function whatToType(person, node) {
  const unapplied = { text: person.prompt, applied: false };
  if (!node || !person.load) return unapplied;
  for (const reader of readers(node)) {
    for (const one of clipWay(reader)) {
      if (![APPLY, PROMPT].includes(one.type) || SKIPPED.has(one.mode)) continue;
      if (one.type === PROMPT && one !== reader) continue; // its people are those of its own prompt
      const renamed = one.type === APPLY ? text(one, "trigger") : "";
      for (const input of one.inputs ?? []) {
        if (input.type !== "STABLEIDENTITY_IDENTITY") continue;
        const trigger = triggerOf(source(one, input), person, renamed);
        if (trigger) return { text: trigger, applied: true };
      }
    }
  }
  return unapplied;
}
