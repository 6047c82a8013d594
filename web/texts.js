// Texts in the language of the interface: those of locales/, which the server has for all packs at once.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const languages = await api
  .fetchApi("/i18n")
  .then((answer) => answer.json())
  .catch(() => ({})); // a server without translations: English

/** A text of the pack's own extensions, with {name} replaced by values.name. */
export function t(text, values = {}) {
  const translated = current().StableIdentity?.[text] || text;
  return translated.replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);
}

/** What locales/ has on an input of a node: name, tooltip, placeholder, options; in the language of the interface. */
export function inputTexts(nodeId, input) {
  return inputOf(current(), nodeId, input);
}

/** The same in all languages. */
export function inputTextsEverywhere(nodeId, input) {
  return Object.values(languages).map((language) => inputOf(language, nodeId, input));
}

function current() {
  return languages[app.extensionManager?.setting?.get("Comfy.Locale")] ?? {};
}

function inputOf(language, nodeId, input) {
  return language.nodeDefs?.[nodeId]?.inputs?.[input] ?? {};
}
