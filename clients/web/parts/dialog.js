import { SharedChatsClient } from "../client.js";
import { alertPlace } from "./alert.js";
import { confirmed } from "./confirm.js";
import { copyText } from "./copy.js";
import { Dates } from "./dates.js";
import { errorWords, isAborted } from "./errors.js";
import { h, uniqueId } from "./h.js";
import { iconButton } from "./icons.js";
import { inTime } from "./in-time.js";
import { People } from "./people.js";
import { baseSheet } from "./styles.js";
import { textsOf } from "./texts.js";

/** The service that these modules come from: they are served at /ui/. */
const OWN_SERVICE = new URL("../..", import.meta.url).href;

/** How long a message of what was done is shown. */
const STATUS_MS = 6000;

/**
 * What both dialogs have in common: a shadow root with a modal <dialog>, the client, texts,
 * messages.
 *
 * A subclass has `static sheets = [CSSStyleSheet]` for its own style, and implements
 * - `heading()`: the dialog's title, a string
 * - `content()`: the elements of the body, built anew each time it is shown
 * - `footer()`: elements below the body that do not scroll (optional)
 * - `shown()`: called when it is open, to load what it shows; may be async, and what it throws is
 *   reported (optional)
 * - `closed()`: called when it has closed (optional)
 *
 * While it is open: `t`, `dates`, `client`, `people`, `signal` (aborted when it closes), `body`,
 * `root` (the <dialog>).
 */
export class DialogElement extends HTMLElement {
  static sheets = [];
  static observedAttributes = ["open"];

  #opener = null;
  #controller = null;
  #statusTimer = 0;
  #values = { token: null, findPeople: null, describe: null, texts: null };

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [baseSheet, ...new.target.sheets];
    // A page may have set these before the module was there.
    for (const name of ["api", "lang", "open", ...Object.keys(this.#values), ...(new.target.properties ?? [])]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
  }

  /** The base URL of the service. */
  get api() {
    return this.getAttribute("api") ?? OWN_SERVICE;
  }

  set api(value) {
    this.setAttribute("api", value);
  }

  /** An async function that gives a JWT: `token({ refresh })`. */
  get token() {
    return this.#values.token;
  }

  set token(value) {
    this.#values.token = value;
  }

  /** An async function: what was typed → `[{ principal, name, detail? }]`. */
  get findPeople() {
    return this.#values.findPeople;
  }

  set findPeople(value) {
    this.#values.findPeople = value;
  }

  /** An async function: `[principal]` → `{ principal: name }`. */
  get describe() {
    return this.#values.describe;
  }

  set describe(value) {
    this.#values.describe = value;
  }

  /** Texts that count before those of the language; they take effect when it is shown next. */
  get texts() {
    return this.#values.texts;
  }

  set texts(value) {
    this.#values.texts = value;
  }

  get open() {
    return this.hasAttribute("open");
  }

  set open(value) {
    this.toggleAttribute("open", Boolean(value));
  }

  /** Whether people can be named: only a page that knows them lets them be found and shown. */
  get canName() {
    return typeof this.findPeople === "function" && typeof this.describe === "function";
  }

  /** The people whom the page finds for what was typed. */
  find(query) {
    return inTime(() => this.findPeople(query));
  }

  show() {
    this.open = true;
  }

  close() {
    const { root } = this;
    if (!root) return;
    root.close();
    // Its event comes with the next frame: until then it could not be shown again.
    this.#closed(root);
  }

  connectedCallback() {
    if (this.open) this.#show();
  }

  disconnectedCallback() {
    this.close();
    this.open = false;
  }

  attributeChangedCallback(name, before, after) {
    if (name !== "open" || !this.isConnected || (before === null) === (after === null)) return;
    if (after !== null) this.#show();
    else this.close();
  }

  #show() {
    if (this.root) return;
    this.#opener = focused();
    this.#controller = new AbortController();
    this.signal = this.#controller.signal;
    const lang =
      this.getAttribute("lang") ||
      this.closest("[lang]")?.getAttribute("lang") ||
      document.documentElement.lang ||
      navigator.language;
    this.t = textsOf(lang, this.texts);
    this.dates = new Dates(this.t.locale);
    this.client = new SharedChatsClient({
      api: this.api,
      token: (options) => inTime(() => this.token?.(options)),
    });
    this.people = new People((principals) => this.describe?.(principals));
    this.root = this.#frame();
    this.shadowRoot.replaceChildren(this.root);
    this.body.append(...this.content());
    const footer = this.footer();
    if (footer.length) this.root.append(h("footer", {}, ...footer));
    this.root.showModal();
    this.run(() => this.shown());
  }

  #frame() {
    const { t } = this;
    this.titleLine = h("h2", { id: uniqueId("title"), tabindex: "-1" }, this.heading());
    this.alerts = alertPlace(t, () => this.titleLine.focus());
    this.statusLine = h("p", { class: "status", role: "status" });
    this.body = h("div", { class: "body" });
    const dialog = h(
      "dialog",
      {
        "aria-labelledby": this.titleLine.id,
        lang: t.lang,
        dir: t.has("direction") ? t("direction") : "ltr",
        onclose: () => this.#closed(dialog),
      },
      h(
        "header",
        {},
        h("div", { class: "titles" }, this.titleLine, this.subtitle()),
        ...this.tools(),
        iconButton("close", t("common.close"), () => this.close()),
      ),
      h("div", { class: "alerts" }, this.alerts.element),
      this.body,
      h("div", { class: "toast" }, this.statusLine),
    );
    return dialog;
  }

  #closed(dialog) {
    if (this.root !== dialog) return;
    this.root = null;
    this.#controller.abort();
    clearTimeout(this.#statusTimer);
    this.closed();
    this.shadowRoot.replaceChildren();
    this.open = false;
    if (this.#opener?.isConnected) this.#opener.focus();
    this.#opener = null;
    // As that of a <dialog>, it does not bubble.
    this.dispatchEvent(new CustomEvent("close"));
  }

  heading() {
    return "";
  }

  subtitle() {
    return null;
  }

  /** Elements beside the button that closes it. */
  tools() {
    return [];
  }

  content() {
    return [];
  }

  footer() {
    return [];
  }

  shown() {}

  closed() {}

  /** An event of this element, for the page. */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  /** Says what was done; it disappears by itself. */
  status(text) {
    clearTimeout(this.#statusTimer);
    this.statusLine.textContent = text;
    if (text) this.#statusTimer = setTimeout(() => this.status(""), STATUS_MS);
  }

  /**
   * Says what went wrong, at the top of the dialog, until `clearAlert` or the next one.
   * @param {Error | string} error an error of the client, or a text
   * @param {{ about?: string, retry?: () => void }} [options] see {@link errorWords}; `retry` puts
   *   a button there if the error can pass
   */
  alert(error, { about = "link", retry } = {}) {
    if (isAborted(error) || !this.root) return;
    if (typeof error !== "string" && error?.status === undefined) console.error(error);
    const { t } = this;
    const words = typeof error === "string" ? { text: error, canRetry: true } : errorWords(t, error, about);
    this.status("");
    this.alerts.say(words, retry);
  }

  clearAlert() {
    const hadFocus = this.alerts.element.contains(this.shadowRoot.activeElement);
    this.alerts.say(null);
    if (hadFocus) this.titleLine.focus();
  }

  /**
   * Runs what may fail, and reports the error with a way to run it again.
   * @returns {Promise<boolean>} whether it succeeded
   */
  async run(action, { about } = {}) {
    try {
      await action();
      return true;
    } catch (error) {
      this.alert(error, { about, retry: () => this.run(action, { about }) });
      return false;
    }
  }

  /** Copies text and says `done`; where a browser refuses, says that too. */
  async copy(text, done) {
    if (await copyText(text, this.root)) this.status(done);
    else this.alert(this.t("common.notCopied"));
  }

  /**
   * Asks before something that cannot be taken back.
   * @returns {Promise<boolean>}
   */
  confirm(question) {
    return confirmed(this.root, this.t, question);
  }
}

/** What has the focus, within shadow roots too. */
function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}
