// The content of the sidebar tab: search field, people by folder, other embeddings folded below.

import { t } from "../texts.js";
import { card } from "./card.js";
import { element, iconButton } from "./elements.js";
import { onPromptBox, promptBox } from "./prompt_box.js";

const AT_ONCE = 300; // rows
const view = { query: "", open: new Map() }; // kept while the tab is closed

function matches(person, query) {
  const told = [person.file, person.trigger, person.base, person.method, person.date].join(" ").toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => told.includes(word));
}

function groups(people, folders) {
  const found = new Map(); // title: people
  for (const person of people) {
    const below = person.file.split("/").slice(0, -1).join("/");
    const top = person.folder ? folders[person.folder] : "";
    const title = person.kind === "embedding" ? t("Other embeddings") : [top, below].filter(Boolean).join("/");
    found.set(title, [...(found.get(title) ?? []), person]);
  }
  const others = found.get(t("Other embeddings"));
  if (others) {
    found.delete(t("Other embeddings"));
    found.set(t("Other embeddings"), others); // last
  }
  return found;
}

function rows(people, acts) {
  const list = element("ul", { class: "si-list" }, ...people.slice(0, AT_ONCE).map((person) => card(person, acts)));
  if (people.length > AT_ONCE) {
    const more = element("button", { type: "button", class: "si-more", text: t("Show all {count}", { count: people.length }) });
    more.addEventListener("click", () => list.replaceChildren(...people.map((person) => card(person, acts))));
    list.append(element("li", {}, more));
  }
  return list;
}

function group(title, people, acts, isOpen) {
  if (!title) return rows(people, acts);
  const summary = element("summary", { title }, element("span", { text: title }), element("small", { text: `${people.length}` }));
  const box = element("details", { class: "si-group", open: isOpen }, summary);
  const fill = () => box.open && box.children.length === 1 && box.append(rows(people, acts));
  box.addEventListener("toggle", () => {
    view.open.set(title, box.open);
    fill();
  });
  fill();
  return box;
}

function empty(text, detail = "") {
  return element("p", { class: "si-empty" }, element("strong", { text }), element("span", { text: detail }));
}

// Builds the panel into a place. `acts.refresh` is called when the user asks for it.
export function makePanel(place, acts) {
  let content = { people: [], folders: [] };
  const search = element("input", { type: "search", placeholder: t("Search people..."), "aria-label": t("Search people..."), value: view.query });
  const field = element("label", { class: "si-search" }, element("i", { class: "pi pi-search" }), search);
  const target = element("p", { class: "si-target" });
  const body = element("div", { class: "si-body" });

  function show() {
    const people = content.people.filter((person) => !view.query.trim() || matches(person, view.query.trim()));
    const searching = Boolean(view.query.trim());
    const made = [...groups(people, content.folders)].map(([title, some]) => {
      const isOpen = searching || (view.open.get(title) ?? title !== t("Other embeddings"));
      return group(title, some, acts, isOpen);
    });
    if (!content.people.some((person) => person.kind !== "embedding") && !searching) {
      made.unshift(empty(t("Nobody is saved yet."), t("Learn a person with StableIdentity Train and connect it to Save Identity.")));
    } else if (!made.length) made.push(empty(t("Nobody is called like this.")));
    body.replaceChildren(...made);
  }

  function tell() {
    const box = promptBox();
    target.textContent = box
      ? t("A click inserts into: {title}", { title: box.node.title || box.node.type })
      : t("A click adds a Load Identity node. To insert into a prompt, click into its box first.");
  }

  search.addEventListener("input", () => {
    view.query = search.value;
    show();
  });
  search.addEventListener("keydown", (event) => event.stopPropagation());
  const head = element(
    "header",
    { class: "si-header" },
    element("span", { class: "si-title", text: t("Identities") }),
    iconButton("refresh", t("Refresh"), acts.refresh),
  );
  const root = element("div", { class: "si-panel" }, head, field, target, body);
  root.addEventListener("pointerenter", tell);
  place.replaceChildren(root);
  tell();
  const forget = onPromptBox(tell);

  return {
    fill(found) {
      content = found;
      show();
    },
    fail(error) {
      body.replaceChildren(empty(t("The list cannot be read."), error.message));
    },
    close: forget,
  };
}
