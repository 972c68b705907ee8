import { EndField } from "../parts/end.js";
import { h } from "../parts/h.js";
import { icon } from "../parts/icons.js";
import { labelField } from "../parts/label.js";
import { qrView } from "../parts/qr.js";
import { AccessField } from "./access-field.js";

/**
 * What is behind a row's "Details": its QR code, what is changed less often, and ids. Save sends what
 * was touched, in one change. A field that was not touched follows the row, so that a switch that is
 * turned meanwhile is never turned back.
 */
export class Details {
  #row;

  constructor(view, dialog, actions) {
    const { t, client } = dialog;
    const { row } = view;
    this.view = view;
    this.dialog = dialog;
    this.actions = actions;
    this.request = new AbortController();
    this.#row = row;
    const changed = () => this.changed();
    this.access = new AccessField(dialog, row, changed);
    this.end = this.newEnd(row);
    const label = labelField({ t, value: row.label ?? "", oninput: changed });
    this.label = label.input;
    this.save = h("button", { type: "submit", class: "primary" }, t("list.edit.save"));
    this.undo = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.undone() },
      t("list.edit.undo"),
    );
    this.endPlace = h("div", {}, this.end.element);
    this.form = h(
      "form",
      { novalidate: true, onsubmit: (event) => this.submitted(event) },
      this.access.element,
      h(
        "div",
        { class: "fields" },
        this.endPlace,
        label.element,
      ),
      h("div", { class: "buttons" }, this.save, this.undo),
    );
    const { signal } = this.request;
    this.qr = qrView({
      client,
      t,
      id: row.id,
      url: row.url,
      signal,
      onError: (error) => dialog.alert(error),
    });
    const copy = (key, text) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => dialog.copy(text, t(`list.copied.${key}`)),
        },
        icon("copy"),
        t(key === "id" ? "list.edit.copyId" : "list.edit.copyChat"),
      );
    this.element = h(
      "div",
      { class: "details" },
      this.form,
      this.qr,
      h(
        "div",
        { class: "tools" },
        h(
          "a",
          { class: "quiet", href: row.url, target: "_blank", rel: "noopener" },
          icon("external"),
          t("list.edit.open"),
        ),
        copy("id", row.id),
        row.chat_session_id && copy("chat", row.chat_session_id),
        h(
          "button",
          { type: "button", class: "danger", onclick: () => actions.delete(view) },
          icon("trash"),
          t("list.edit.delete"),
        ),
      ),
    );
    this.changed();
  }

  newEnd(row) {
    const { t, dates, policy } = this.dialog;
    const end = new EndField({
      t,
      dates,
      end: row.expires_at,
      label: t("list.edit.end"),
      onchange: () => this.changed(),
    });
    if (policy) end.policy = policy;
    this.endBefore = end.choice;
    return end;
  }

  get isEndChanged() {
    return this.end.choice !== this.endBefore;
  }

  get isLabelChanged() {
    return this.label.value !== (this.#row.label ?? "");
  }

  get isChanged() {
    return this.access.isChanged || this.isEndChanged || this.isLabelChanged;
  }

  /** The row has changed, or is going to. */
  update(row) {
    const before = this.#row;
    const isSame = (...fields) =>
      fields.every((field) => JSON.stringify(row[field]) === JSON.stringify(before[field]));
    const isLabelChanged = this.isLabelChanged;
    this.#row = row;
    if (!this.access.isChanged && !isSame("is_private", "audience")) this.access.set(row);
    if (!this.isEndChanged && !isSame("expires_at")) this.setEnd(row);
    if (!isLabelChanged) this.label.value = row.label ?? "";
    this.changed();
  }

  setEnd(row) {
    this.end = this.newEnd(row);
    this.endPlace.replaceChildren(this.end.element);
  }

  changed() {
    const isChanged = this.isChanged;
    // Not `disabled`: what was pressed would lose the focus.
    for (const button of [this.save, this.undo])
      button.setAttribute("aria-disabled", String(!isChanged));
  }

  undone() {
    this.access.set(this.#row);
    this.setEnd(this.#row);
    this.label.value = this.#row.label ?? "";
    this.view.say(null);
    this.changed();
  }

  async submitted(event) {
    event.preventDefault();
    const { t } = this.dialog;
    if (!this.isChanged || this.view.isBusy || !this.access.check()) return;
    if (this.isEndChanged && this.end.error) {
      this.end.complain();
      return;
    }
    const change = {
      ...this.access.change,
      ...(this.isEndChanged ? { expires_at: this.end.value } : {}),
      ...(this.isLabelChanged ? { label: this.label.value || null } : {}),
    };
    if (await this.actions.save(this.view, change)) {
      this.undone();
      if (this.dialog.root) this.dialog.status(t("common.saved"));
    }
  }

  stop() {
    this.request.abort();
  }
}
