// @ts-check
// The player that shows a result inside its node.

import { isOurs } from "./ours.js";

/**
 * Keep a node's player out of its prompt.
 *
 * On the classic canvas the page adds the player as a widget, and widgets are sent with the next
 * prompt. ComfyUI's cache would then take the node for one that has changed and run it again.
 *
 * @param {any} node a new node; others than ours stay as they are
 */
export function keepPreviewOutOfPrompts(node) {
  if (!isOurs(node.comfyClass)) return;
  const addCustomWidget = node.addCustomWidget;
  node.addCustomWidget = function (/** @type {any[]} */ ...given) {
    const widget = addCustomWidget.apply(this, given);
    if (widget?.name === "video-preview") {
      widget.options = { ...widget.options, serialize: false };
      widget.serialize = false;
    }
    return widget;
  };
}
