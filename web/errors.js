// @ts-check
// What goes wrong with our nodes, and what the server has to tell besides, as toasts.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

import { isOurs } from "./ours.js";

/** @typedef {"success" | "info" | "warn" | "error"} Severity */
/** @typedef {{severity?: string, summary?: string, detail?: string}} Notice */

const SEVERITIES = ["success", "info", "warn", "error"];
const LEAST_MS = 8000;
const MOST_MS = 30000;
const READING_MS_PER_CHARACTER = 80;

/**
 * Show a toast for as long as it takes to read; it can be closed before.
 *
 * @param {Severity} severity
 * @param {string} summary
 * @param {string} detail
 */
export function showToast(severity, summary, detail) {
  const reading = READING_MS_PER_CHARACTER * (summary.length + detail.length);
  const life = Math.min(MOST_MS, Math.max(LEAST_MS, reading));
  app.extensionManager.toast.add({ severity, summary, detail, life });
}

/** Show the text of every error that one of our nodes ends with: ComfyUI hides it in details. */
export function showErrors() {
  api.addEventListener("execution_error", (/** @type {CustomEvent} */ event) => {
    const { node_id, node_type, exception_message } = event.detail ?? {};
    if (!isOurs(node_type)) return;
    showToast("error", titleOf(node_id, node_type), String(exception_message ?? "").trim());
  });
}

/**
 * Show the text of every error for which one of our nodes has its prompt refused. ComfyUI cuts it
 * short, and up to its page 1.45 it shows none of it; there is no event to hear of it.
 */
export function showRefusals() {
  const queuePrompt = api.queuePrompt;
  api.queuePrompt = function (/** @type {any[]} */ ...given) {
    const sent = queuePrompt.apply(this, given);
    sent.then(
      (/** @type {any} */ answer) => tellRefusals(answer?.node_errors),
      (/** @type {any} */ error) => tellRefusals(error?.response?.node_errors),
    );
    return sent;
  };
}

/** @param {Record<string, {class_type: string, errors: any[]}> | undefined} nodeErrors */
function tellRefusals(nodeErrors) {
  for (const [nodeId, { class_type, errors }] of Object.entries(nodeErrors ?? {})) {
    if (!isOurs(class_type)) continue;
    const texts = errors
      .filter(({ type }) => String(type).startsWith("exception_during"))
      .map(({ extra_info, details }) => String(extra_info?.exception_message ?? details));
    for (const text of new Set(texts)) showToast("error", titleOf(nodeId, class_type), text);
  }
}

/** Show what the server sends as `viseme.notice`: {severity, summary, detail}. */
export function showNotices() {
  api.addEventListener("viseme.notice", (/** @type {CustomEvent<Notice>} */ event) => {
    const { severity, summary, detail } = event.detail ?? {};
    const known = SEVERITIES.includes(severity ?? "") ? severity : "info";
    showToast(/** @type {Severity} */ (known), String(summary ?? "Viseme"), String(detail ?? ""));
  });
}

/**
 * The title that the user sees on a node.
 *
 * @param {unknown} nodeId as the server names it: "7", or "6:5" for node 5 inside subgraph node 6
 * @param {string} nodeType for a node that is no longer on the canvas
 * @returns {string}
 */
function titleOf(nodeId, nodeType) {
  /** @type {any} */
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of String(nodeId).split(":")) {
    node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node?.title || nodeType;
}
