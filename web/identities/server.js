// Requests to the pack's own routes. Errors are sentences for the user.

import { api } from "../../../scripts/api.js";
import { t } from "../texts.js";

const PEOPLE = "/stableidentity/people";
export const CHANGED = "stableidentity.people"; // the server's event after a change

async function ask(path, options) {
  let answer;
  try {
    answer = await api.fetchApi(path, options);
  } catch {
    throw new Error(t("ComfyUI does not answer. Is it running?"));
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error ?? t("ComfyUI answered with error {status}.", { status: answer.status }));
  return found;
}

function post(path, values) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(values) });
}

function query({ folder, file }, more = {}) {
  return new URLSearchParams({ folder, file, ...more });
}

export const listPeople = () => ask(PEOPLE);
export const detailsOf = (person) => ask(`${PEOPLE}/details?${query(person)}`);
export const portraitOf = (person) => api.apiURL(`${PEOPLE}/portrait?${query(person, { v: person.portrait })}`);

export function renamePerson({ folder, file }, name) {
  return post(`${PEOPLE}/rename`, { folder, file, name });
}

export function deletePerson({ folder, file }, state, trainings) {
  return post(`${PEOPLE}/delete`, { folder, file, state, trainings });
}
