// Texts of the pack's web extensions in the language of the interface. The keys are the English texts.

import { app } from "../../scripts/app.js";

const TRANSLATIONS = {}; // language -> English text -> translated text

/** A text, with {name} replaced by values.name. */
export function t(text, values = {}) {
  const language = TRANSLATIONS[app.extensionManager?.setting?.get("Comfy.Locale")] ?? {};
  return (language[text] ?? text).replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);
}
