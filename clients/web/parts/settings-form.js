import { AccessField } from "./access-field.js";
import { EndField } from "./end.js";
import { h } from "./h.js";
import { labelField } from "./label.js";

/**
 * Who can open a link, when it ends, and its label. Save sends what was touched, in one change. A
 * field that was not touched follows the row, so that what is changed elsewhere is never turned
 * back.
 */
export class SettingsForm {
  #row;
  #endBefore;
  #isSaving = false;

  /**
   * @param {{ row: object, say: (words: null) => void }} view the link's row
   * @param {(change: object) => Promise<boolean>} save gives whether the service has changed it
   */
  constructor(view, dialog, save) {
    const { t, dates } = dialog;
    const onchange = () => this.#changed();
    Object.assign(this, { view, dialog, save });
    this.access = new AccessField(dialog, onchange);
    this.end = new EndField({ t, dates, onchange });
    const label = labelField({ t, oninput: onchange });
    this.label = label.input;
    const undo = { type: "button", class: "quiet", onclick: () => this.#undo() };
    this.buttons = [
      h("button", { type: "submit", class: "primary" }, t("settings.save")),
      h("button", undo, t("settings.undo")),
    ];
    this.element = h(
      "form",
      { class: "settings", novalidate: true, onsubmit: (event) => this.#submitted(event) },
      this.access.element,
      h("div", { class: "fields" }, this.end.element, label.element),
      h("div", { class: "buttons" }, this.buttons),
    );
    this.#show(view.row);
  }

  get #isEndChanged() {
    return this.end.choice !== this.#endBefore;
  }

  get #isLabelChanged() {
    return this.label.value !== (this.#row.label ?? "");
  }

  get #isChanged() {
    return this.access.isChanged || this.#isEndChanged || this.#isLabelChanged;
  }

  /** The row has changed, is going to, or the policy is another. */
  update(row) {
    const before = this.#row;
    const isSame = (...fields) =>
      fields.every((field) => JSON.stringify(row[field]) === JSON.stringify(before[field]));
    const isLabelChanged = this.#isLabelChanged;
    this.#row = row;
    if (!this.access.isChanged && !isSame("is_private", "audience")) this.access.set(row);
    if (!this.#isEndChanged && !isSame("expires_at")) this.#setEnd(row);
    if (!isLabelChanged) this.label.value = row.label ?? "";
    this.access.draw();
    this.end.policy = this.dialog.policy;
    this.#changed();
  }

  #show(row) {
    this.#row = row;
    this.access.set(row);
    this.#setEnd(row);
    this.label.value = row.label ?? "";
    this.end.policy = this.dialog.policy;
    this.#changed();
  }

  #setEnd(row) {
    this.end.set(row.expires_at);
    this.#endBefore = this.end.choice;
  }

  #changed() {
    // Not `disabled`: what was pressed would lose the focus.
    for (const button of this.buttons)
      button.setAttribute("aria-disabled", String(!this.#isChanged));
  }

  #undo() {
    this.#show(this.#row);
    this.view.say(null);
  }

  async #submitted(event) {
    event.preventDefault();
    if (this.#isSaving || !this.#isChanged || !this.access.check()) return;
    if (this.#isEndChanged && this.end.error) return this.end.complain();
    const change = {
      ...this.access.change,
      ...(this.#isEndChanged ? { expires_at: this.end.value } : {}),
      ...(this.#isLabelChanged ? { label: this.label.value || null } : {}),
    };
    this.#isSaving = true;
    const isSaved = await this.save(change);
    this.#isSaving = false;
    if (isSaved) this.#show(this.#row);
  }
}
