import { ACCESS_ICONS, isAllowed } from "../parts/access.js";
import { AudiencePicker } from "../parts/audience.js";
import { EndField } from "../parts/end.js";
import { h, uniqueId } from "../parts/h.js";
import { icon } from "../parts/icons.js";
import { labelField } from "../parts/label.js";
import { switchOf } from "../parts/switch.js";

const MODES = { frozen: "camera", live: "live" };

/** The settings of a new link. It knows nothing of the service but its policy. */
export class ShareForm {
  #policy = null;

  /**
   * @param {{ t: object, dates: object, people: object, find: Function | null, access: string,
   *   onchange: () => void, onsubmit: () => void }} options `find` null: people cannot be named;
   *   `access`: what is chosen at first
   */
  constructor({ t, dates, people, find, access, onchange, onsubmit }) {
    Object.assign(this, { t, onchange });
    this.id = uniqueId("form");
    const group = uniqueId("group");
    const accesses = ["anyone", "signed_in", ...(find ? ["named"] : [])];
    this.accesses = new Map(
      accesses.map((value) => [value, this.#choice(`${group}-access`, value, `share.access.${value}`, ACCESS_ICONS[value])]),
    );
    this.modes = new Map(
      Object.keys(MODES).map((value) => [
        value,
        this.#choice(`${group}-mode`, value, `share.mode.${value}`, MODES[value]),
      ]),
    );
    this.picker = find && new AudiencePicker({ t, people, find, onchange: () => this.#changed() });
    this.files = switchOf({ label: t("share.files"), hint: t("share.filesHint"), onchange: () => this.#changed() });
    this.end = new EndField({ t, dates, onchange: () => this.#changed() });
    this.label = labelField({ t });
    this.notice = h("p", { class: "notice", hidden: true });
    this.element = h(
      "form",
      {
        id: this.id,
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          onsubmit();
        },
      },
      h(
        "fieldset",
        { class: "accesses" },
        h("legend", {}, t("share.question")),
        this.notice,
        h("div", { class: "choices" }, ...[...this.accesses.values()].map(({ element }) => element)),
        this.picker?.element,
      ),
      h(
        "section",
        { class: "customize", "aria-labelledby": `${this.id}-customize` },
        h("h3", { id: `${this.id}-customize` }, t("share.customize")),
        h(
          "fieldset",
          {},
          h("legend", { class: "unseen" }, t("share.modes")),
          h("div", { class: "choices two" }, ...[...this.modes.values()].map(({ element }) => element)),
        ),
        this.files.element,
        h(
          "div",
          { class: "columns" },
          this.end.element,
          this.label.element,
        ),
      ),
    );
    this.#select(this.modes, "frozen");
    this.#select(this.accesses, this.accesses.has(access) ? access : "anyone");
    this.#changed();
  }

  #choice(name, value, key, picture) {
    const { t } = this;
    const id = uniqueId("choice");
    const hint = h("span", { class: "hint", id: `${id}-hint` }, t(`${key}Hint`));
    const input = h("input", {
      type: "radio",
      name,
      value,
      id,
      "aria-labelledby": `${id}-name`,
      "aria-describedby": `${id}-hint`,
      onchange: () => this.#changed(),
    });
    const element = h(
      "label",
      { class: "choice" },
      input,
      icon(picture),
      h("span", { class: "words" }, h("span", { class: "name", id: `${id}-name` }, t(key)), hint),
    );
    return { element, input, hint, text: t(`${key}Hint`) };
  }

  #select(choices, value) {
    for (const [key, { input }] of choices) input.checked = key === value;
  }

  #chosen(choices) {
    return [...choices].find(([, { input }]) => input.checked)?.[0] ?? null;
  }

  #changed() {
    if (this.picker) this.picker.element.hidden = this.access !== "named";
    this.onchange();
  }

  /** Whom the link is to admit; null: the policy allows none of the choices. */
  get access() {
    return this.#chosen(this.accesses);
  }

  /** Disables what the policy forbids, and says why. */
  set policy(policy) {
    const { t } = this;
    this.#policy = policy;
    const allowed = [...this.accesses.keys()].filter((access) => isAllowed(policy, access));
    for (const [access, { input, element, hint, text }] of this.accesses) {
      const isForbidden = !allowed.includes(access);
      input.disabled = isForbidden;
      element.classList.toggle("forbidden", isForbidden);
      hint.textContent = isForbidden ? t("share.forbidden") : text;
    }
    // Never wider than what was chosen.
    if (!allowed.includes(this.access)) this.#select(this.accesses, allowed[0] ?? "");
    this.notice.hidden = allowed.length > 0;
    this.notice.textContent = allowed.length
      ? ""
      : t(policy.widest_audience === "named" ? "share.namedOnly" : "share.off");
    const hasFiles = policy.allows_artifacts;
    if (!hasFiles) this.files.set(false);
    this.files.forbid(hasFiles ? "" : t("share.noFiles"));
    this.end.policy = policy;
    this.#changed();
  }

  get canShare() {
    return this.access !== null;
  }

  /** What is chosen, for telling whether a create is the same as the one before. */
  get choice() {
    const { access, picker, files, end, label } = this;
    return JSON.stringify([
      access,
      this.#chosen(this.modes),
      access === "named" ? picker.value : null,
      files.isOn,
      end.choice,
      label.input.value.trim(),
    ]);
  }

  /** The settings as a create takes them, without the chat. */
  get settings() {
    const { access } = this;
    const label = this.label.input.value.trim();
    const end = this.end.value;
    return {
      is_private: access !== "anyone",
      ...(access === "named" ? { audience: this.picker.value } : {}),
      is_frozen: this.#chosen(this.modes) === "frozen",
      includes_artifacts: this.files.isOn,
      ...(end ? { expires_at: end } : {}),
      ...(label ? { label } : {}),
    };
  }

  /** Whether it can be sent; if not, it says why, and the focus is there. */
  check() {
    if (this.access === "named" && !this.picker.value.length) {
      this.picker.complain(this.t("share.noneNamed"));
      return false;
    }
    if (this.end.error) {
      this.end.complain();
      return false;
    }
    return this.canShare;
  }

  focus() {
    const chosen = this.accesses.get(this.access) ?? this.accesses.values().next().value;
    chosen.input.focus();
  }
}
