// The template browser shows a pack's workflows in the order of the files on the disk. Ours are numbered: show them so.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const PACK = decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-2));

app.registerExtension({
  name: "StableIdentity.TemplateOrder",
  setup() {
    const ask = api.getWorkflowTemplates;
    api.getWorkflowTemplates = async function (...rest) {
      const templates = await ask.apply(this, rest);
      templates?.[PACK]?.sort();
      return templates;
    };
  },
});
