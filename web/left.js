// @ts-check
// Lip-syncs that an earlier ComfyUI, or a command, left unfinished: told when the page opens.

import { api } from "../../scripts/api.js";

import { showToast } from "./errors.js";
import { words } from "./words.js";

/**
 * @typedef {{id: string, vendor: string, label: string, endpoint: string, state: string,
 *   is_sandbox: boolean}} Job
 */

const ROUTE = "/viseme/jobs/left";
const TOLD = "viseme.jobs.left"; // in this tab's memory: what it was told of already
const MOST_NAMED = 5;

/** Nothing is said where nothing is left, or where the server cannot tell: runs say it then. */
export async function tellLeft() {
  const headers = { "X-Viseme": "page" };
  const response = await api.fetchApi(ROUTE, { cache: "no-store", headers });
  const answer = await response.json().catch(() => null);
  /** @type {Job[]} */
  const jobs = Array.isArray(answer?.jobs) ? answer.jobs : [];
  const ids = jobs.map(({ id }) => id).join(" ");
  if (ids === "" || ids === sessionStorage.getItem(TOLD)) return;
  sessionStorage.setItem(TOLD, ids);
  const named = jobs.slice(0, MOST_NAMED).map(nameOf);
  if (jobs.length > MOST_NAMED) named.push("...");
  const paid = jobs.every(({ is_sandbox }) => is_sandbox) ? "" : words("leftPaid");
  const remedy = words("leftRemedy", { paid, jobs: named.join(", ") });
  showToast("warn", words("left", { count: jobs.length }), remedy);
}

/** @param {Job} job */
function nameOf({ id, label, is_sandbox }) {
  return is_sandbox ? `${id} (${label}, ${words("sandbox")})` : `${id} (${label})`;
}
