"use strict";
// Texts become nodes and never HTML, whatever is in them.
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const chosen = document.getElementById("chosen");
  const choose = { person: document.getElementById("person"), prompt: document.getElementById("prompt") };
  const SHOWN = 3; // values below a picture

  const make = (name, attributes = {}, ...parts) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...parts.filter((part) => part !== null));
    return node;
  };
  // With a real minus, and without one before zero.
  const number = (value, digits) =>
    value === null || value === undefined ? "–" : (Number(value.toFixed(digits)) + 0).toFixed(digits).replace("-", "−");
  const scrolling = (label, inner) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, inner);

  const picture = (small, whole, about) => {
    const image = make("img", { src: small || whole, alt: about, loading: small ? "eager" : "lazy" });
    const link = make("a", { href: whole }, image);
    image.addEventListener("error", () => link.replaceWith(make("span", { class: "gone" }, `${about}: missing or damaged`)));
    return link;
  };

  const head = (first, titles) => {
    const cells = [first, ...titles].map((title) => make("th", { scope: "col" }, title));
    return make("thead", {}, make("tr", {}, ...cells));
  };

  const photo = (at) => {
    const person = content.people[at];
    return picture(person.photo, person.whole, `Photo of ${person.name}`);
  };

  const methodTitle = ({ name, added }) => make("span", {}, name, added ? " " : null, added ? make("small", { class: "added" }, added) : null);

  // The values of one person, with the mean over all people behind them.
  const values = (at) => {
    const known = content.metrics.map((metric, which) => ({ ...metric, which }))
      .filter(({ which }) => content.methods.some((method) => method.values[which].some((value) => value !== null)));
    const rows = content.methods.map((method) => make("tr", {}, make("th", { scope: "row" }, methodTitle(method)),
      ...known.map(({ which, digits }) => {
        const all = method.values[which].filter((value) => value !== null);
        const mean = all.length ? all.reduce((sum, value) => sum + value, 0) / all.length : null;
        return make("td", {}, number(method.values[which][at], digits), make("small", {}, `mean ${number(mean, digits)}`));
      })));
    const caption = `Values of ${content.people[at].name}, and the means over all people`;
    const table = make("table", { class: "figures" }, make("caption", {}, caption),
      head("Method", known.map(({ title }) => title)), make("tbody", {}, ...rows));
    return scrolling(caption, table);
  };

  const cell = (method, at, row) => {
    if (!method.measured[at]) return make("td", {}, make("span", { class: "gone" }, "not measured"));
    const { prompt, seed } = content.rows[row];
    const file = `${String(prompt + 1).padStart(3, "0")}-${seed}.png`;
    const about = `${content.people[at].name} by ${method.name}: ${content.prompts[prompt]}`;
    const known = content.metrics.map(({ title, digits }, which) => {
      const value = method.single[which]?.[at]?.[row];
      return value === undefined ? null : `${title} ${number(value, digits)}`;
    }).filter((text) => text !== null);
    const lines = known.slice(0, SHOWN).map((text) => make("span", {}, text));
    const small = make("small", { title: known.join(", ") }, ...lines);
    return make("td", {}, picture(method.inside[at]?.[row], `${method.folders[at]}/${file}`, about), known.length ? small : null);
  };

  const rowTitle = (row) => {
    const { prompt, seed } = content.rows[row];
    return content.seeds > 1 ? `${content.prompts[prompt]}, seed ${seed}` : content.prompts[prompt];
  };

  const sheet = (caption, first, rows) => {
    const lines = rows.map(({ title, at, row }) => make("tr", {}, make("th", { scope: "row" }, title),
      ...content.methods.map((method) => cell(method, at, row))));
    const table = make("table", { class: "sheet" }, make("caption", {}, caption),
      head(first, content.methods.map(methodTitle)), make("tbody", {}, ...lines));
    return scrolling(caption, table);
  };

  const state = () => ({
    person: choose.person.value === "" ? null : choose.person.selectedIndex - 1,
    prompt: choose.prompt.value === "" ? null : choose.prompt.selectedIndex - 1,
  });

  const show = () => {
    const { person, prompt } = state();
    const rows = content.rows.map((_, row) => row).filter((row) => prompt === null || content.rows[row].prompt === prompt);
    if (person !== null) {
      const { name } = content.people[person];
      const one = make("div", { class: "who" }, photo(person), values(person));
      const lines = rows.map((row) => ({ title: rowTitle(row), at: person, row }));
      chosen.replaceChildren(make("h3", {}, name), one, sheet(`Pictures of ${name}`, "Prompt", lines));
    } else {
      const lines = content.people.flatMap(({ name }, at) => rows.map((row, which) => ({
        title: make("span", {}, which ? "" : photo(at), `${name}${content.seeds > 1 ? `, seed ${content.rows[row].seed}` : ""}`), at, row,
      })));
      const title = content.prompts[prompt];
      chosen.replaceChildren(make("h3", {}, title), sheet(`Everybody: ${title}`, "Person", lines));
    }
    document.getElementById("previous").disabled = step(-1) === null;
    document.getElementById("next").disabled = step(1) === null;
  };

  // The person, or with everybody shown the prompt, before or after this one; null at the end.
  const step = (by) => {
    const { person, prompt } = state();
    const select = person === null ? choose.prompt : choose.person;
    const index = (person === null ? prompt : person) + by + 1;
    return index >= 1 && index < select.options.length ? { select, index } : null;
  };

  // All people with all prompts would be too much for a page.
  const limit = (changed) => {
    if (choose.person.value !== "" || choose.prompt.value !== "") return;
    const other = changed === choose.person ? choose.prompt : choose.person;
    other.selectedIndex = 1;
  };

  const remember = () => {
    const { person, prompt } = state();
    const parts = [];
    if (person !== null) parts.push(`person=${encodeURIComponent(content.people[person].name)}`);
    if (prompt !== null) parts.push(`prompt=${prompt + 1}`);
    history.replaceState(null, "", `#${parts.join("&")}`);
  };

  const fromAddress = () => {
    const asked = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    const person = content.people.findIndex(({ name }) => name === asked.get("person"));
    const prompt = Number(asked.get("prompt")) - 1;
    if (person < 0 && !(prompt in content.prompts)) return false;
    choose.person.selectedIndex = person + 1;
    choose.prompt.selectedIndex = prompt in content.prompts ? prompt + 1 : 0;
    show();
    document.getElementById("people").scrollIntoView();
    return true;
  };

  const changed = (event) => {
    limit(event.currentTarget);
    show();
    remember();
  };
  choose.person.addEventListener("change", changed);
  choose.prompt.addEventListener("change", changed);
  for (const [id, by] of [["previous", -1], ["next", 1]]) {
    document.getElementById(id).addEventListener("click", () => {
      const target = step(by);
      if (target === null) return;
      target.select.selectedIndex = target.index;
      show();
      remember();
    });
  }
  document.querySelector(".chooser").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", fromAddress);

  for (const box of document.querySelectorAll(".legend input")) {
    box.addEventListener("change", () => {
      for (const group of box.closest("figure").querySelectorAll(`.s${box.dataset.series}`)) {
        group.style.display = box.checked ? "" : "none";
      }
    });
  }

  if (!fromAddress() && content.people.length) {
    choose.person.selectedIndex = 1;
    choose.prompt.selectedIndex = 0;
    show();
  }
})();
