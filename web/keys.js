// @ts-check
// The dialog in which the keys of the vendors are set and cleared. A key goes from its field to the
// server and nowhere else; the server never sends one back.

import { api } from "../../scripts/api.js";

import { words } from "./words.js";

/** @typedef {{vendor: string, label: string, is_set: boolean, origin: string | null}} VendorKey */
/** @typedef {{vendor: string, label: string, input: HTMLInputElement, status: HTMLElement,
 *   save: HTMLButtonElement, clear: HTMLButtonElement, section: HTMLElement}} Row */

const ROUTE = "/viseme/keys";
// The page's shortcuts and its pasting of nodes must not see what is typed into the dialog.
const KEPT_EVENTS = ["keydown", "keypress", "keyup", "copy", "cut", "paste", "contextmenu"];

/** Open the dialog, or go back to the one that is open. */
export async function openKeys() {
  const open = document.querySelector("dialog.viseme-keys");
  if (open) {
    /** @type {HTMLElement} */ (open).focus();
    return;
  }
  await new KeysDialog().open();
}

class KeysDialog {
  constructor() {
    /** @type {Row[]} */
    this.rows = [];
    this.isBusy = false;
    this.list = element("div", { className: "viseme-keys-list" });
    this.message = element("p", { className: "viseme-keys-message" });
    this.message.setAttribute("role", "status");
    this.dialog = this.build();
  }

  async open() {
    loadStyle();
    document.body.append(this.dialog);
    this.dialog.showModal();
    try {
      const keys = await ask();
      this.rows = keys.map((key) => this.row(key));
      this.list.replaceChildren(...this.rows.map((row) => row.section));
      this.show(keys);
      this.rows.find((row) => !row.input.disabled)?.input.focus();
    } catch (error) {
      this.tell(textOf(error), true);
    }
  }

  /** @returns {HTMLDialogElement} */
  build() {
    const title = element("h2", { id: "viseme-keys-title", textContent: words("title") });
    const about = element("p", {
      id: "viseme-keys-about",
      textContent: words("about"),
    });
    const close = element("button", { type: "button", textContent: words("close") });
    const dialog = element("dialog", { className: "viseme-keys" });
    dialog.tabIndex = -1;
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.setAttribute("aria-describedby", about.id);
    dialog.append(title, about, this.list, this.message, close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.forget());
    for (const type of KEPT_EVENTS) {
      dialog.addEventListener(type, (event) => event.stopPropagation());
    }
    return dialog;
  }

  /**
   * @param {VendorKey} key
   * @returns {Row}
   */
  row({ vendor, label }) {
    const id = `viseme-keys-${vendor}`;
    const heading = element("h3", { id: `${id}-label`, textContent: label });
    const status = element("p", { id: `${id}-status` });
    const input = element("input", { id, type: "password", autocomplete: "off" });
    input.spellcheck = false;
    input.setAttribute("aria-label", words("keyOf", { label }));
    input.setAttribute("aria-describedby", status.id);
    const save = element("button", { type: "submit", textContent: words("save") });
    save.setAttribute("aria-label", words("saveOf", { label }));
    const clear = element("button", { type: "button", textContent: words("clear") });
    clear.setAttribute("aria-label", words("clearOf", { label }));
    const form = element("form", {});
    form.append(input, save, clear);
    const section = element("section", {});
    section.setAttribute("aria-labelledby", heading.id);
    section.append(heading, status, form);
    const row = { vendor, label, input, status, save, clear, section };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save(row);
    });
    clear.addEventListener("click", () => void this.clear(row));
    return row;
  }

  /** @param {Row} row */
  async save(row) {
    const key = row.input.value.trim();
    if (!key) {
      this.tell(words("empty", { label: row.label }), true);
      row.input.focus();
      return;
    }
    if (await this.send(row, key, words("kept", { label: row.label }))) row.input.value = "";
  }

  /** @param {Row} row */
  async clear(row) {
    await this.send(row, null, words("cleared", { label: row.label }));
    row.input.value = "";
    row.input.focus(); // the button, which had it, is disabled now
  }

  /**
   * @param {Row} row
   * @param {string | null} key
   * @param {string} done what to say afterwards
   * @returns {Promise<boolean>} whether the server has done it
   */
  async send(row, key, done) {
    if (this.isBusy) return false;
    this.isBusy = true;
    this.dialog.setAttribute("aria-busy", "true");
    row.input.removeAttribute("aria-invalid");
    try {
      this.show(await ask({ vendor: row.vendor, key }));
      this.tell(done, false);
      return true;
    } catch (error) {
      this.tell(textOf(error), true);
      if (key !== null) {
        row.input.setAttribute("aria-invalid", "true");
        row.input.focus();
      }
      return false;
    } finally {
      this.isBusy = false;
      this.dialog.removeAttribute("aria-busy");
    }
  }

  /** @param {VendorKey[]} keys */
  show(keys) {
    for (const row of this.rows) {
      const key = keys.find(({ vendor }) => vendor === row.vendor);
      const variable = /^environment (\w+)$/.exec(key?.origin ?? "")?.[1];
      row.status.textContent = statusText(key, variable);
      row.status.classList.toggle("viseme-keys-set", Boolean(key?.is_set));
      // The environment wins over what is kept: a key given here would not be used.
      row.input.disabled = row.save.disabled = variable !== undefined;
      row.input.placeholder = words(key?.is_set ? "replace" : "paste");
      row.clear.disabled = !key?.is_set || variable !== undefined;
    }
  }

  /**
   * @param {string} text
   * @param {boolean} isError
   */
  tell(text, isError) {
    this.message.setAttribute("role", isError ? "alert" : "status");
    this.message.classList.toggle("viseme-keys-error", isError);
    this.message.textContent = text;
  }

  forget() {
    for (const row of this.rows) row.input.value = "";
    this.dialog.remove();
  }
}

/**
 * Ask the server which keys are set, after a change where one is given.
 *
 * @param {{vendor: string, key: string | null}} [change]
 * @returns {Promise<VendorKey[]>}
 */
async function ask(change) {
  const headers = { "X-Viseme": "page" };
  const response = await api.fetchApi(
    ROUTE,
    change === undefined
      ? { cache: "no-store", headers }
      : {
          method: "POST",
          cache: "no-store",
          headers: { ...headers, "Content-Type": "application/json" },
          body: JSON.stringify(change),
        },
  );
  const answer = await response.json().catch(() => null);
  if (Array.isArray(answer?.vendors)) return answer.vendors;
  const { status } = response;
  throw new Error(answer?.error?.text ?? words("noAnswer", { status, route: ROUTE }));
}

/**
 * @param {VendorKey | undefined} key
 * @param {string | undefined} variable
 * @returns {string}
 */
function statusText(key, variable) {
  if (!key?.is_set) return words("notSet");
  if (variable) return words("inEnvironment", { variable });
  return words(key.origin === "keyring" ? "inKeyring" : "inFile");
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function textOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} properties
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function loadStyle() {
  const href = new URL("./viseme.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
}
