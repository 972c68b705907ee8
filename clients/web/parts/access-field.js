import { ACCESSES, accessOf, isAllowed } from "./access.js";
import { AudiencePicker } from "./audience.js";
import { h, uniqueId } from "./h.js";

/**
 * Who can open a link: one choice, from wide to narrow. The policy may forbid some, and people are
 * named only where the page knows them.
 */
export class AccessField {
  #row;
  #before;

  /** @param onchange called when another choice, or another person, is made */
  constructor(dialog, onchange) {
    const { t, people, canName } = dialog;
    this.dialog = dialog;
    this.onchange = onchange;
    this.picker = canName
      ? new AudiencePicker({
          t,
          people,
          find: (query) => dialog.find(query),
          onchange: () => this.#changed(),
        })
      : null;
    this.named = h("div", { class: "named" }, this.picker?.element);
    const name = uniqueId("access");
    this.choices = new Map(
      ACCESSES.toReversed().map((access) => [access, this.#choice(name, access)]),
    );
    this.element = h(
      "fieldset",
      {},
      h("legend", {}, t("settings.access")),
      h(
        "div",
        { class: "radios" },
        [...this.choices].flatMap(([access, { line }]) => [line, access === "named" && this.named]),
      ),
    );
  }

  #choice(name, value) {
    const input = h("input", { type: "radio", name, value, onchange: () => this.#changed() });
    const text = h("span", {});
    const hint = h("span", { class: "small" });
    return { input, text, hint, line: h("label", { class: "radio" }, input, h("span", {}, text, hint)) };
  }

  /** Shows what the link has. */
  set(row) {
    this.#row = row;
    for (const [access, { input }] of this.choices) input.checked = access === accessOf(row);
    this.picker?.set(row.audience ?? []);
    this.picker?.complain("");
    this.#before = this.#value;
    this.draw();
  }

  /** Shows what can be chosen: the policy may be another than before. */
  draw() {
    const { t, policy } = this.dialog;
    const { audience } = this.#row;
    const stored = accessOf(this.#row);
    const n = audience?.length ?? 0;
    const texts = {
      anyone: t("share.access.anyone"),
      signed_in: t("share.access.signed_in"),
      named: this.picker ? t("settings.chosen") : t("settings.kept", { n }),
      owner: t("share.access.owner"),
    };
    for (const [access, { input, text, hint, line }] of this.choices) {
      // What it is already stays selectable.
      input.disabled = access !== stored && !isAllowed(policy, access);
      const forgets = n > 0 && (access === "signed_in" || access === "owner");
      const why = input.disabled ? t("settings.notAllowed") : forgets ? t("settings.forgets") : "";
      text.textContent = texts[access];
      hint.textContent = why && ` – ${why}`;
      line.hidden = access === "named" && !this.picker && !n;
    }
    this.named.hidden = this.choice !== "named" || !this.picker;
  }

  get choice() {
    return [...this.choices].find(([, { input }]) => input.checked)[0];
  }

  /** To compare what is chosen with what was. */
  get #value() {
    const named = this.choice === "named" && this.picker ? this.picker.value.toSorted() : [];
    return JSON.stringify([this.choice, named]);
  }

  get isChanged() {
    return this.#value !== this.#before;
  }

  /** Says what is missing, and moves the focus there. Gives whether all is there. */
  check() {
    if (!this.isChanged || this.choice !== "named" || !this.picker || this.picker.value.length)
      return true;
    this.picker.complain(this.dialog.t("settings.noneNamed"));
    return false;
  }

  /** The fields of a change. A link that turns public keeps who is named (docs/API.md 3). */
  get change() {
    if (!this.isChanged) return {};
    if (this.choice === "anyone") return { is_private: false };
    if (this.choice === "signed_in") return { is_private: true, audience: null };
    if (this.choice === "owner") return { is_private: true, audience: [] };
    // With the list that is shown: another window may have changed it.
    return { is_private: true, audience: this.picker ? this.picker.value : this.#row.audience };
  }

  #changed() {
    this.draw();
    this.onchange();
  }
}
