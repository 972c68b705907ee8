import { ACCESSES, accessOf, isAllowed } from "../parts/access.js";
import { AudiencePicker } from "../parts/audience.js";
import { h, uniqueId } from "../parts/h.js";

/**
 * Who can open a link: one choice, from wide to narrow. The policy may forbid some, and people are
 * named only where the page knows them.
 */
export class AccessField {
  /** @param onchange called when another choice, or another person, is made */
  constructor(dialog, row, onchange) {
    this.dialog = dialog;
    this.onchange = onchange;
    this.name = uniqueId("access");
    this.element = h("fieldset", {});
    this.set(row);
  }

  /** Shows what the link has. */
  set(row) {
    const { t } = this.dialog;
    const access = accessOf(row);
    this.row = row;
    this.picker = this.dialog.canName ? this.newPicker(row) : null;
    this.choices = [...ACCESSES]
      .reverse()
      .filter((choice) => choice !== "named" || this.picker || row.audience?.length);
    this.inputs = new Map(this.choices.map((choice) => [choice, this.input(choice, access)]));
    this.named = h("div", { class: "named" }, this.picker?.element ?? []);
    this.element.replaceChildren(
      h("legend", {}, t("list.edit.access")),
      h(
        "div",
        { class: "choices" },
        this.choices.flatMap((choice) => [
          this.line(choice),
          choice === "named" && this.picker ? this.named : null,
        ]),
      ),
    );
    this.before = this.value;
    this.show();
  }

  newPicker({ audience }) {
    const { dialog } = this;
    const { t, people } = dialog;
    return new AudiencePicker({
      t,
      people,
      find: (query) => dialog.findPeople(query),
      value: audience ?? [],
      onchange: () => this.changed(),
    });
  }

  input(choice, access) {
    return h("input", {
      type: "radio",
      name: this.name,
      value: choice,
      checked: choice === access,
      onchange: () => this.changed(),
      // What it is already stays selectable.
      disabled: choice !== access && !isAllowed(this.dialog.policy, choice),
    });
  }

  line(choice) {
    const { t } = this.dialog;
    const { audience } = this.row;
    const input = this.inputs.get(choice);
    const texts = {
      anyone: t("share.access.anyone"),
      signed_in: t("share.access.signed_in"),
      named: this.picker
        ? t("list.edit.chosen")
        : t("list.edit.kept", { n: audience?.length ?? 0 }),
      owner: t("share.access.owner"),
    };
    const forgets = audience?.length && (choice === "signed_in" || choice === "owner");
    const hint = input.disabled ? t("list.edit.notAllowed") : forgets ? t("list.edit.forgets") : "";
    return h(
      "label",
      { class: "choice" },
      input,
      h("span", {}, texts[choice], hint && h("span", { class: "small" }, ` – ${hint}`)),
    );
  }

  get choice() {
    return this.choices.find((choice) => this.inputs.get(choice).checked);
  }

  /** To compare what is chosen with what was. */
  get value() {
    const named = this.choice === "named" && this.picker ? this.picker.value.toSorted() : [];
    return JSON.stringify([this.choice, named]);
  }

  get isChanged() {
    return this.value !== this.before;
  }

  /** Says what is missing, and moves the focus there. Gives whether all is there. */
  check() {
    if (!this.isChanged || this.choice !== "named" || !this.picker || this.picker.value.length)
      return true;
    this.picker.complain(this.dialog.t("list.edit.noneNamed"));
    return false;
  }

  /** The fields of a change. A link that turns public keeps who is named (docs/API.md 3). */
  get change() {
    if (!this.isChanged) return {};
    if (this.choice === "anyone") return { is_private: false };
    if (this.choice === "signed_in") return { is_private: true, audience: null };
    if (this.choice === "owner") return { is_private: true, audience: [] };
    // With the list that is shown: another window may have changed it.
    return { is_private: true, audience: this.picker ? this.picker.value : this.row.audience };
  }

  changed() {
    this.show();
    this.onchange();
  }

  show() {
    this.named.hidden = this.choice !== "named";
  }
}
