// The questions before a person is renamed or deleted.

import { t } from "../texts.js";
import { bytes, element } from "./elements.js";
import { deletePerson, detailsOf, renamePerson } from "./server.js";

// Shows a dialog until `act` succeeds or the user gives up; gives what `act` returned, or null.
function ask({ title, body, action, danger = false, act }) {
  return new Promise((resolve) => {
    const problem = element("p", { class: "si-problem", role: "alert" });
    const go = element("button", { type: "submit", text: action, class: danger ? "si-danger" : "si-go" });
    const cancel = element("button", { type: "button", text: t("Cancel"), on: { click: () => dialog.close() } });
    const form = element(
      "form",
      { method: "dialog" },
      element("h3", { text: title }),
      ...body,
      problem,
      element("div", { class: "si-actions" }, cancel, go),
    );
    const dialog = element("dialog", { class: "si-dialog", "aria-label": title }, form);
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        result = await act();
        dialog.close();
      } catch (error) {
        problem.textContent = error.message;
        go.disabled = false;
      }
    });
    dialog.addEventListener("keydown", (event) => event.stopPropagation()); // not ComfyUI's shortcuts
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Gives { file } of the new name, or null.
export function askForName(person) {
  const field = element("input", { type: "text", value: person.name, spellcheck: "false", "aria-label": t("New name") });
  const body = [field];
  if (person.prompt) {
    const text = t("Prompts and saved workflows that say {prompt} no longer find this person.", person);
    body.push(element("p", { text }));
  }
  const asked = ask({
    title: t("Rename {name}", person),
    body,
    action: t("Rename"),
    act: () => renamePerson(person, field.value),
  });
  field.select();
  return asked;
}

function listed(texts) {
  return element("ul", {}, ...texts.map((text) => element("li", { text })));
}

// Gives what the server deleted, or null.
export async function askToDelete(person) {
  const { files, trainings, state } = await detailsOf(person);
  const body = [
    element("p", { text: t("These files are deleted for good:") }),
    listed(files.map((file) => `${file.name} (${bytes(file.bytes)})`)),
  ];
  const also = element("input", { type: "checkbox" });
  if (trainings.length) {
    const size = bytes(trainings.reduce((sum, training) => sum + training.bytes, 0));
    const text = t("Also delete the stored trainings that gave this person ({size}). Learning again then starts over.", {
      size,
    });
    const described = trainings.map((training) => `${training.what} (${bytes(training.bytes)}, ${training.used})`);
    body.push(element("label", { class: "si-check" }, also, element("span", { text })), listed(described));
  }
  return ask({
    title: t("Delete {name}?", person),
    body,
    action: t("Delete"),
    danger: true,
    act: () => deletePerson(person, state, also.checked ? trainings.map((training) => training.key) : []),
  });
}
