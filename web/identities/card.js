// One saved person, or another program's embedding, as a row of the list.

import { t } from "../texts.js";
import { makeDraggable } from "./drag.js";
import { element, iconButton } from "./elements.js";
import { portraitOf } from "./server.js";

function picture(person) {
  const initial = [...person.name][0]?.toUpperCase() ?? "?";
  const drawn = element("span", { class: "si-face", "aria-hidden": "true", text: initial });
  let hash = 0;
  for (const letter of person.name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  drawn.style.setProperty("--si-hue", hash);
  if (!person.portrait) return drawn;
  const shown = element("img", { class: "si-face", src: portraitOf(person), alt: "", loading: "lazy", draggable: "false" });
  shown.addEventListener("error", () => shown.replaceWith(drawn), { once: true });
  return shown;
}

function about(person) {
  if (person.kind === "damaged") return [person.problem];
  const likeness = person.likeness == null ? "" : t("likeness {value}", { value: person.likeness.toFixed(2) });
  const first = [person.trigger, person.demo ? "" : person.base, likeness].filter(Boolean).join(" · ");
  const second = [person.method, person.date].filter(Boolean).join(" · ");
  return person.kind === "person" ? [first, second] : [];
}

function tooltip(person) {
  const lines = [person.file];
  if (person.kind !== "damaged" && person.prompt) {
    lines.push(
      person.applied
        ? t("Click: inserts {prompt} at the cursor of the prompt box you were in last. It works behind Apply Identity.", person)
        : t("Click: inserts {prompt} at the cursor of the prompt box you were in last, or <trigger> if Apply Identity brings this file to that box.", person),
      t("Without a prompt box: adds a Load Identity node."),
      t("Drag: onto the canvas or into a prompt box."),
    );
  } else if (person.kind !== "damaged") {
    lines.push(t("No prompt can name this file alone: its name is used twice, is a number, or has spaces or brackets. Rename it, or use Load Identity."));
  }
  if (person.warning) lines.push(t("Warning of its training: {warning}", person));
  return lines.join("\n");
}

// `acts`: insert, load, rename, remove; each is called with the person.
export function card(person, acts) {
  const own = person.kind !== "embedding";
  const usable = person.kind !== "damaged";
  const name = element("span", { class: "si-name", text: person.name });
  const marks = [
    person.demo && element("span", { class: "si-mark", text: t("mini world"), title: t("Only the mini world understands this person.") }),
    !usable && element("span", { class: "si-mark si-warn", text: t("damaged") }),
    person.warning && element("i", { class: "pi pi-exclamation-triangle si-warn" }),
  ];
  const lines = about(person).map((text) => element("span", { class: "si-line", text }));
  const main = element(
    "button",
    { type: "button", class: "si-main", title: tooltip(person), disabled: !usable, on: { click: () => acts.insert(person) } },
    own && picture(person),
    element("span", { class: "si-text" }, element("span", { class: "si-head" }, name, ...marks), ...lines),
  );
  if (usable) makeDraggable(main, person);
  const buttons = element(
    "span",
    { class: "si-buttons" },
    usable && person.load && iconButton("plus", t("Add a Load Identity node"), () => acts.load(person)),
    person.kind === "person" && iconButton("pencil", t("Rename"), () => acts.rename(person)),
    own && iconButton("trash", t("Delete"), () => acts.remove(person)),
  );
  return element("li", { class: `si-card si-${person.kind}`, "data-file": person.file }, main, buttons);
}
