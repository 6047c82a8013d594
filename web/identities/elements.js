// Making elements. Texts are always set as texts, since names and headers of files are not to be trusted.

export function element(tag, { text, title, icon, on, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (title) made.title = title;
  if (icon) made.append(Object.assign(document.createElement("i"), { className: `pi pi-${icon}` }));
  for (const [kind, listener] of Object.entries(on ?? {})) made.addEventListener(kind, listener);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

// A button with an icon and no text, named for screen readers.
export function iconButton(icon, title, act, attributes = {}) {
  const on = { click: act };
  return element("button", { type: "button", class: "si-icon", icon, title, "aria-label": title, on, ...attributes });
}

export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** power).toLocaleString(undefined, { maximumFractionDigits: power && 1 })} ${units[power]}`;
}
