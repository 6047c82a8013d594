// The sidebar tab "Identities": saved people, to be inserted into prompts, loaded, renamed and deleted.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { askForName, askToDelete } from "./identities/dialogs.js";
import { acceptDrops } from "./identities/drag.js";
import { addLoader, followRename } from "./identities/graph.js";
import { makePanel } from "./identities/panel.js";
import { insert, isInSight, promptBox, watchPromptBoxes } from "./identities/prompt_box.js";
import { CHANGED, listPeople } from "./identities/server.js";
import { whatToType } from "./identities/what_to_type.js";
import { t } from "./texts.js";

let panel = null; // while the tab is open
let reading = 0;

function say(severity, summary, detail = "") {
  app.extensionManager.toast?.add({ severity, summary, detail, life: 4000 });
}

async function refresh() {
  const turn = ++reading; // of several answers, the last one counts
  try {
    const found = await listPeople();
    if (turn === reading) panel?.fill(found);
  } catch (error) {
    if (turn === reading) panel?.fail(error);
  }
}

function load(person, place) {
  if (!person.load) return say("warn", t("Load Identity cannot choose this file: one in another folder has the same name."));
  addLoader(person, place);
}

function insertOrLoad(person) {
  const box = promptBox();
  if (!box) return load(person);
  const { text, applied } = whatToType(person, box.node);
  if (!text) return load(person);
  insert(text);
  const title = box.node.title;
  if (!applied && text.startsWith("<")) {
    say("warn", t("{text} is plain text in {title} until Load Identity and Apply Identity bring the person to its CLIP.", { text, title }));
  } else if (!isInSight(box.element)) say("success", t("{text} was inserted into {title}.", { text, title }));
}

async function rename(person) {
  const renamed = await askForName(person);
  if (!renamed) return;
  followRename(person.load, renamed.load);
  await refresh();
}

async function remove(person) {
  try {
    const gone = await askToDelete(person);
    if (!gone) return;
    if (gone.left.length) {
      say("warn", t("{count} files of stored trainings are in use and were kept.", { count: gone.left.length }));
    } else say("success", t("{name} was deleted.", person));
  } catch (error) {
    say("error", t("{name} cannot be deleted.", person), error.message);
  }
  await refresh();
}

function render(place) {
  panel?.close();
  panel = makePanel(place, { insert: insertOrLoad, load: (person) => load(person), rename, remove, refresh });
  refresh();
}

function destroy() {
  panel?.close();
  panel = null;
}

function addStyle() {
  const href = new URL("./identities/identities.css", import.meta.url).href;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
}

app.registerExtension({
  name: "StableIdentity.Identities",
  setup() {
    if (!app.extensionManager?.registerSidebarTab) return; // older frontends have no sidebar
    addStyle();
    watchPromptBoxes();
    acceptDrops({ insert: insertOrLoad, load });
    api.addEventListener(CHANGED, refresh);
    api.addEventListener("reconnected", refresh);
    app.extensionManager.registerSidebarTab({
      id: "stableidentity-identities",
      icon: "pi pi-id-card",
      title: t("Identities"),
      tooltip: t("Identities: saved people"),
      type: "custom",
      render,
      destroy,
    });
  },
});
