// Choosing a preset or a method writes its settings into the widgets, and what the widgets show is used. Where there is
// a preset "custom", a widget that is changed by hand turns to it. Loading a workflow changes nothing.

import { app } from "../../scripts/app.js";

const PREFIX = "StableIdentity";
const CUSTOM = "custom";
let loading = 0; // prompts in the format of the API, whose values the frontend sets as a user does

function follow(node, presets, methods, isCustom) {
  const widget = (name) => node.widgets?.find((one) => one.name === name);
  const write = (settings) => {
    for (const [name, value] of Object.entries(settings ?? {})) {
      const one = widget(name);
      if (one) one.value = value; // not its callback, which stands for the user's hand
    }
  };
  const after = (name, act) => {
    const one = widget(name);
    if (!one) return;
    const chosen = one.callback;
    one.callback = function (value, ...rest) {
      const result = chosen?.call(this, value, ...rest);
      if (!loading) act(value);
      return result;
    };
  };

  after("preset", (value) => write(presets[value]));
  after("method", (value) => write({ preset: CUSTOM, ...methods[value] }));
  if (!isCustom) return;
  const decided = new Set(Object.values(presets).flatMap((settings) => Object.keys(settings)));
  decided.delete("method");
  for (const name of decided) {
    after(name, (value) => {
      const settings = presets[widget("preset")?.value] ?? {};
      if (name in settings && settings[name] !== value) write({ preset: CUSTOM });
    });
  }
}

app.registerExtension({
  name: "StableIdentity.PresetSettings",
  setup() {
    const load = app.loadApiJson;
    app.loadApiJson = function (...rest) {
      const done = () => (loading -= 1);
      loading += 1;
      let loaded;
      try {
        loaded = load.apply(this, rest);
      } catch (error) {
        done();
        throw error;
      }
      if (loaded?.then) loaded.then(done, done); // newer frontends wait before they set the values
      else done();
      return loaded;
    };
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    const options = (name) => nodeData.input?.required?.[name]?.[1] ?? {};
    const presets = options("preset").preset_settings;
    const methods = options("method").method_settings ?? {};
    if (!nodeData.name.startsWith(PREFIX) || !presets) return;
    const isCustom = [options("preset").options ?? nodeData.input.required.preset[0]].flat().includes(CUSTOM);
    const created = nodeType.prototype.onNodeCreated;
    nodeType.prototype.onNodeCreated = function (...rest) {
      const result = created?.apply(this, rest);
      follow(this, presets, methods, isCustom);
      return result;
    };
  },
});
