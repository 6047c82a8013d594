// StableIdentity Train: choosing a method sets the widgets to its defaults.
// Widgets that the user has changed keep their values. Loading a workflow changes nothing.

import { app } from "../../scripts/app.js";

const NODE = "StableIdentityTrain";

function ownSettings(nodeData) {
  return nodeData.input?.optional?.method?.[1]?.method_defaults;
}

function follow(node, own) {
  const widget = (name) => node.widgets?.find((one) => one.name === name);
  const method = widget("method");
  if (!method) return;
  let before = method.value;

  const chosen = method.callback;
  method.callback = function (value, ...rest) {
    const result = chosen?.call(this, value, ...rest);
    for (const [name, usual] of Object.entries(own[before] ?? {})) {
      const setting = widget(name);
      if (setting?.value === usual && own[value]) setting.value = own[value][name];
    }
    before = value;
    return result;
  };

  const configured = node.onConfigure; // a loaded workflow brings its own values
  node.onConfigure = function (...rest) {
    const result = configured?.apply(this, rest);
    before = method.value;
    return result;
  };
}

app.registerExtension({
  name: "StableIdentity.MethodDefaults",
  beforeRegisterNodeDef(nodeType, nodeData) {
    const own = nodeData.name === NODE && ownSettings(nodeData);
    if (!own) return;
    const created = nodeType.prototype.onNodeCreated;
    nodeType.prototype.onNodeCreated = function (...rest) {
      const result = created?.apply(this, rest);
      follow(this, own);
      return result;
    };
  },
});
