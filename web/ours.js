// @ts-check
// Which nodes are ours.

const PREFIX = "Viseme";

/**
 * @param {unknown} nodeId a node class's id, such as "VisemeSampleClip"
 * @returns {boolean}
 */
export function isOurs(nodeId) {
  return typeof nodeId === "string" && nodeId.startsWith(PREFIX);
}
