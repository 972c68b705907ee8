import { DialogElement } from "./parts/dialog.js";
import { Changes } from "./parts/changes.js";
import { h, uniqueId } from "./parts/h.js";
import { icon } from "./parts/icons.js";
import { ShareForm } from "./share/form.js";
import { newKey } from "./share/key.js";
import { LinkRow } from "./share/link-row.js";
import { resultView } from "./share/result.js";
import { sentence } from "./share/sentence.js";
import { shareSheet } from "./share/styles.js";

/** Links of the chat that are listed; the management dialog has all of them. */
const MOST_LISTED = 20;

/**
 * `<share-chat-dialog chat-session-id chat-name api lang default-access manage>`: makes links to a
 * chat, and lists those that it has. `default-access` is `anyone` (default), `signed_in` or
 * `named`. `manage` shows a button that asks the page for the management dialog by the event
 * `manage`.
 *
 * Events: `share-created` and `share-changed` (detail: the row), `share-deleted` (detail: `{ ids
 * }`), `share-failed` (detail: `{ ids, error }`), `manage`, `close`.
 */
export class ShareChatDialog extends DialogElement {
  static sheets = [shareSheet];
  static properties = ["chatSessionId", "chatName"];

  get chatSessionId() {
    return this.getAttribute("chat-session-id") ?? "";
  }

  set chatSessionId(value) {
    this.setAttribute("chat-session-id", value);
  }

  get chatName() {
    return this.getAttribute("chat-name") ?? "";
  }

  set chatName(value) {
    this.setAttribute("chat-name", value);
  }

  heading() {
    return this.t("share.title");
  }

  subtitle() {
    return h("p", { class: "subtitle", dir: "auto", title: this.chatName }, this.chatName || this.t("common.untitled"));
  }

  tools() {
    this.toLinks = h("button", { type: "button", class: "to-links", hidden: true, onclick: () => this.#goToLinks() });
    return [this.toLinks];
  }

  content() {
    // What is shown belongs to this chat, whatever the page sets meanwhile.
    this.chat = this.chatSessionId;
    this.policy = null;
    this.result = null;
    this.attempt = null;
    this.isSharing = false;
    this.rows = [];
    this.total = 0;
    this.made = 0;
    this.changes = new Changes(this, {
      gone: (view) => this.#gone(view, this.t("errors.not_found_link")),
      policyChanged: () => this.run(() => this.#loadPolicy()),
    });
    this.main = h("div", {});
    this.linkList = h("ul", {});
    this.linkCount = h("span", { class: "badge" });
    this.linkMore = h("div", { class: "more", hidden: true });
    const id = uniqueId("links");
    this.linkWords = h("span", {});
    this.linkTitle = h("h3", { id, tabindex: "-1" }, this.linkWords, this.linkCount);
    this.links = h(
      "section",
      { class: "links", "aria-labelledby": id, hidden: true },
      this.linkTitle,
      this.linkList,
      this.linkMore,
    );
    return [this.main, this.links];
  }

  footer() {
    this.finish = h("div", {});
    this.#showForm();
    return [this.finish];
  }

  async shown() {
    this.form?.focus();
    await Promise.all([this.#loadPolicy(), this.#loadLinks()]);
  }

  async #loadPolicy() {
    this.policy = (await this.client.getPolicy({ signal: this.signal })).data;
    if (this.form) this.form.policy = this.policy;
    for (const view of this.rows) view.update(view.row);
  }

  async #loadLinks() {
    const { client, chat, signal } = this;
    let list;
    let made;
    do {
      // A link that is made meanwhile may be in the answer, or not.
      made = this.made;
      list = await client.listSharedChats({ chat_session_id: chat, limit: MOST_LISTED, signal });
    } while (made !== this.made);
    const { rows, total } = list;
    this.total = total;
    const shown = this.result?.row.id;
    // More rows than were asked for would freeze the page.
    const listed = rows.slice(0, MOST_LISTED).filter(({ id }) => id !== shown);
    this.rows = listed.map((row) => this.#linkRow(row));
    this.linkList.replaceChildren(...this.rows.map(({ element }) => element));
    this.#count();
  }

  #linkRow(row) {
    const { changes, client } = this;
    return new LinkRow(row, this, {
      change: (view, change) => changes.change(view, change),
      save: (view, change) => changes.save(view, change),
      remove: (view) => this.#remove(client, changes, view),
    });
  }

  #count() {
    const { t } = this;
    const others = Math.max(0, this.total - (this.result ? 1 : 0));
    const rest = others - this.rows.length;
    this.linkWords.textContent = t(this.result ? "share.otherLinks" : "share.links");
    this.linkCount.textContent = t("share.count", { n: others });
    const manage = this.hasAttribute("manage");
    this.linkMore.replaceChildren(
      ...(rest > 0 ? [h("p", { class: "hint" }, t("share.rest", { n: rest }))] : []),
      ...(manage
        ? [
            h(
              "button",
              { type: "button", class: "quiet", onclick: () => this.#askForManagement() },
              t("share.manageAll"),
            ),
          ]
        : []),
    );
    this.linkMore.hidden = !rest && !manage;
    this.links.hidden = others === 0 && !manage;
    this.linkTitle.hidden = others === 0;
    this.toLinks.hidden = others === 0 || this.result !== null;
    this.toLinks.setAttribute("aria-label", t("share.toLinksLabel", { n: others }));
    this.toLinks.replaceChildren(icon("link"), t("share.toLinks", { n: others }));
  }

  #goToLinks() {
    this.linkTitle.focus({ preventScroll: true });
    this.linkTitle.scrollIntoView({ block: "start" });
  }

  /** Once this dialog is out of the way, and the focus is back. */
  #askForManagement() {
    this.addEventListener("close", () => queueMicrotask(() => this.emit("manage")), { once: true });
    this.close();
  }

  #showForm() {
    const { t, dates, people } = this;
    const access = this.getAttribute("default-access") ?? "anyone";
    const find = this.canName ? (query) => this.find(query) : null;
    this.says = h("p", { class: "says hint", id: uniqueId("says") });
    this.shareButton = h(
      "button",
      {
        type: "submit",
        class: "primary",
        "aria-describedby": this.says.id,
        onclick: (event) => this.#prevented(event),
      },
      icon("link"),
      h("span", {}, t("share.share")),
    );
    this.form = new ShareForm({
      t,
      dates,
      people,
      find,
      access,
      onchange: () => this.#say(),
      onsubmit: () => this.#share(),
    });
    this.shareButton.setAttribute("form", this.form.id);
    this.main.replaceChildren(this.form.element);
    this.finish.className = "finish";
    this.finish.replaceChildren(this.says, this.shareButton);
    if (this.policy) this.form.policy = this.policy;
    this.#say();
  }

  #prevented(event) {
    if (this.shareButton.getAttribute("aria-disabled") === "true") event.preventDefault();
  }

  /** What viewers of the new link are going to see. */
  #say() {
    if (!this.form || !this.says) return;
    const { canShare, settings } = this.form;
    this.shareButton.setAttribute("aria-disabled", String(!canShare || this.isSharing));
    const isNamed = settings.audience;
    if (!canShare) this.says.replaceChildren(this.t("share.cannot"));
    else if (isNamed && !isNamed.length) this.says.replaceChildren(this.t("share.choose"));
    else this.says.replaceChildren(...sentence(this, settings));
  }

  #setSharing(isSharing) {
    this.isSharing = isSharing;
    this.shareButton.lastChild.textContent = this.t(isSharing ? "share.sharing" : "share.share");
    this.shareButton.setAttribute("aria-busy", String(isSharing));
    this.#say();
  }

  async #share() {
    if (this.isSharing || !this.form.check()) return;
    const { choice } = this.form;
    // The same choices again are the same request: however often it is sent, it makes one link.
    if (this.attempt?.choice !== choice) {
      this.attempt = { choice, key: newKey(), body: { chat_session_id: this.chat, ...this.form.settings } };
    }
    const { key, body } = this.attempt;
    const { root } = this;
    this.clearAlert();
    this.#setSharing(true);
    try {
      // No signal: what was begun goes on when the dialog closes, here and below.
      const row = await this.client.shareChatSession(body, { idempotencyKey: key });
      if (this.root === root) {
        this.attempt = null;
        this.#showResult(row);
      }
      this.emit("share-created", row);
    } catch (error) {
      if (this.root === root) await this.#shareFailed(error);
      else this.emit("share-failed", { ids: [], error });
    }
  }

  async #shareFailed(error) {
    this.#setSharing(false);
    if (error.error_type === "idempotency_conflict" || error.error_type === "bad_request") this.attempt = null;
    this.alert(error, { about: "chat", retry: () => this.#share() });
    if (error.error_type === "policy_forbids") await this.run(() => this.#loadPolicy());
  }

  #showResult(row) {
    const { t } = this;
    this.isSharing = false;
    this.form = null;
    this.result = resultView(this, row);
    this.main.replaceChildren(this.result.element);
    this.finish.className = "finish end";
    this.finish.replaceChildren(
      h("button", { type: "button", class: "quiet", onclick: () => this.#again() }, icon("plus"), t("share.another")),
      h("button", { type: "button", class: "quiet", onclick: () => this.close() }, t("share.done")),
    );
    this.body.scrollTop = 0;
    this.total += 1;
    this.made += 1;
    this.rows = this.rows.filter((other) => other.row.id !== row.id || (other.element.remove(), false));
    this.#count();
    this.result.focus();
  }

  /** Back to the form; the link that was made is the first of the list. */
  #again() {
    const row = this.#linkRow(this.result.row);
    this.result = null;
    this.rows.unshift(row);
    this.linkList.prepend(row.element);
    this.#count();
    this.#showForm();
    this.form.focus();
  }

  async #remove(client, changes, view) {
    const { t } = this;
    const { id } = view.row;
    const isSure = await this.confirm({
      title: t("delete.title", { n: 1 }),
      text: t("delete.text", { n: 1 }),
      action: t("delete.action", { n: 1 }),
    });
    if (!isSure || changes.isOver) return;
    try {
      await client.deleteSharedChat(id);
    } catch (error) {
      return changes.refused(view, error, () => this.#remove(client, changes, view));
    }
    if (!changes.isOver) {
      this.#gone(view, "");
      this.status(t("delete.done", { n: 1 }));
    }
    this.emit("share-deleted", { ids: [id] });
  }

  #gone(view, why) {
    const hadFocus = view.element.contains(this.shadowRoot.activeElement);
    const at = this.rows.indexOf(view);
    if (at < 0) return;
    this.rows.splice(at, 1);
    view.element.remove();
    this.total -= 1;
    this.#count();
    if (why) this.alert(why);
    const next = this.rows[at] ?? this.rows[at - 1];
    if (hadFocus || this.shadowRoot.activeElement === null) (next ? next.manage : (this.form ?? this.result)).focus();
  }
}

customElements.define("share-chat-dialog", ShareChatDialog);
