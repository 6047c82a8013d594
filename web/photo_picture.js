// One photo as SVG in pixels of the photo: its faces to choose from, with the mask, the oval and the landmarks of the
// marked one, or the aligned portrait in its place.

import { api } from "../../scripts/api.js";
import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

export function svg(kind, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

let clips = 0; // names must differ within the page

const show = (element, visible) => element.setAttribute("display", visible ? "inline" : "none");
const numbers = (values) => values.map(Number);

// From the unit square of a portrait to the photo: [a, b, c, d, e, f] of the corners [x, y] upper left, right, lower left.
function toPhoto(square) {
  const [left, top, rightX, rightY, lowerX, lowerY] = numbers(square);
  return new DOMMatrix([rightX - left, rightY - top, lowerX - left, lowerY - top, left, top]);
}

const attribute = ({ a, b, c, d, e, f }) => `matrix(${[a, b, c, d, e, f].join(" ")})`;

/** An <image> of a file in ComfyUI's folders; preserveAspectRatio none: it fills its place. */
function picture(file, place, onGone) {
  const query = new URLSearchParams(file ?? {});
  const image = svg("image", { href: api.apiURL(`/view?${query}`), preserveAspectRatio: "none", ...place });
  image.addEventListener("error", onGone, { once: true });
  return image;
}

function landmarks(face) {
  const [left, , right] = numbers(face.box);
  const dots = face.points.map(numbers).map(([cx, cy]) => svg("circle", { cx, cy, r: (right - left) / 35 }));
  return svg("g", { class: "si-landmarks" }, ...dots);
}

function label(number, [left, top], [width, height]) {
  const size = Math.max(width, height) / 26;
  const across = size * (0.8 + 0.6 * String(number).length);
  const x = Math.min(Math.max(left, 0), width - across);
  const above = top - size * 1.3;
  const y = above >= 0 ? above : Math.min(Math.max(top, 0), height - size * 1.3);
  const text = svg("text", { x: x + across / 2, y: y + size, "font-size": size, "text-anchor": "middle" });
  text.textContent = number;
  return svg("g", { class: "si-label" }, svg("rect", { x, y, width: across, height: size * 1.3 }), text);
}

function frame(face, number, photo, onChoose) {
  const [x, y, right, bottom] = numbers(face.box);
  const size = { x, y, width: right - x, height: bottom - y };
  const box = svg("rect", { class: "si-box", ...size });
  const back = svg("rect", { class: "si-back", ...size });
  const name = t("Face {number} of {count}", { number, count: photo.faces.length });
  const title = svg("title");
  title.textContent = name;
  const group = svg("g", { class: "si-face", role: "button", tabindex: 0, "aria-label": name });
  group.append(title, back, box, label(number, [x, y], [photo.width, photo.height]));
  group.addEventListener("click", () => onChoose(number));
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    onChoose(number);
  });
  return group;
}

/**
 * The element of a photo, and `update({ marked, mask, oval, landmarks, portrait })`: the number of the marked face (null:
 * none) and what to show.
 */
export function photoPicture(photo, ellipse, onChoose, onGone) {
  const { width, height, faces } = photo;
  const [cx, cy, rx, ry] = numbers(ellipse);
  const unit = { x: 0, y: 0, width: 1, height: 1 };
  const whole = { x: 0, y: 0, width, height };
  const frames = faces.map((face, index) => frame(face, index + 1, photo, onChoose));
  const points = faces.map(landmarks);
  const inPhoto = svg("g", {}, svg("rect", { class: "si-ground", ...whole }), picture(photo.photo, whole, onGone));
  const portrait = photo.portrait ? picture(photo.portrait, unit, onGone) : svg("g");
  const mask = photo.mask ? picture(photo.mask, unit, onGone) : svg("g");
  const oval = svg("ellipse", { class: "si-oval", cx, cy, rx, ry });
  const over = svg("g", {}, ...points);
  const choices = svg("g", {}, ...frames);
  const clip = `stableidentity-photo-${++clips}`;
  const edge = svg("rect", whole);
  const layers = svg("g", { "clip-path": `url(#${clip})` }, inPhoto, portrait, mask, oval, over, choices);
  const root = svg("svg", { class: "si-photo" }, svg("clipPath", { id: clip }, edge), layers);

  function update(state) {
    const used = state.marked === (photo.used ?? null) && photo.square; // what the last run made is of this face
    const square = used ? photo.square : faces[state.marked - 1]?.square;
    const place = square ? toPhoto(square) : null;
    const close = state.portrait && place;
    const back = close ? attribute(place.inverse()) : "";
    root.setAttribute("viewBox", close ? "0 0 1 1" : `0 0 ${width} ${height}`);
    for (const [name, value] of Object.entries(close ? unit : whole)) edge.setAttribute(name, value);
    for (const group of [inPhoto, over]) group.setAttribute("transform", back);
    for (const one of [mask, oval]) one.setAttribute("transform", close || !place ? "" : attribute(place));
    show(portrait, close && used);
    show(mask, state.mask && used);
    show(oval, state.oval && place);
    show(choices, !close);
    points.forEach((group, index) => {
      show(group, state.landmarks && (!close || index + 1 === state.marked));
      group.classList.toggle("si-marked", index + 1 === state.marked);
    });
    frames.forEach((group, index) => {
      group.classList.toggle("si-marked", index + 1 === state.marked);
      group.setAttribute("aria-pressed", index + 1 === state.marked);
    });
  }
  return { root, update };
}
