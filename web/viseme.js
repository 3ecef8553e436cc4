// @ts-check
// What Viseme adds to ComfyUI's page. Each matter has its own file beside this one.

import { app } from "../../scripts/app.js";

import { showErrors, showNotices, showRefusals } from "./errors.js";
import { openKeys } from "./keys.js";
import { tellLeft } from "./left.js";
import { keepPreviewOutOfPrompts } from "./preview.js";

// Errors of a missing key name this place: the menu's Extensions > Viseme: keys.
const KEYS_COMMAND = "Viseme.Keys";

app.registerExtension({
  name: "Viseme",
  commands: [{ id: KEYS_COMMAND, label: "Viseme: keys", icon: "pi pi-key", function: openKeys }],
  menuCommands: [{ path: ["Extensions"], commands: [KEYS_COMMAND] }],

  setup() {
    showErrors();
    showRefusals();
    showNotices();
    tellLeft().catch((error) => {
      console.warn("Viseme: ComfyUI did not say which lip-syncs are unfinished.", error);
    });
  },

  nodeCreated(/** @type {any} */ node) {
    keepPreviewOutOfPrompts(node);
  },
});
