import { ACCESSES, ACCESS_ICONS, accessOf, isAllowed } from "../parts/access.js";
import { AudiencePicker } from "../parts/audience.js";
import { EndField } from "../parts/end.js";
import { h, uniqueId } from "../parts/h.js";
import { icon, iconButton } from "../parts/icons.js";
import { qrView } from "../parts/qr.js";
import { switchOf } from "../parts/switch.js";
import { brief, sentence } from "./sentence.js";

/**
 * A link that the chat has already: copy, QR code, and a panel that changes or deletes it. Changes
 * are shown at once and go back when they are refused.
 */
export class LinkRow {
  #panel = null;
  #saved;
  #waiting = 0;
  #last = Promise.resolve();

  /**
   * @param {object} row
   * @param {object} dialog the `<share-chat-dialog>`: texts, people, client, policy
   * @param {{ change: (row: object, settings: object) => Promise<object>, failed: (row: LinkRow,
   *   error: Error, retry: () => void) => void, remove: (row: LinkRow) => void }} actions
   */
  constructor(row, dialog, actions) {
    Object.assign(this, { row, dialog, actions });
    this.#saved = row;
    const { t } = dialog;
    const id = uniqueId("link");
    this.name = h("p", { class: "name", id });
    this.meta = h("p", { class: "hint" });
    this.limited = h("p", { class: "limited" });
    this.picture = h("span", { class: "picture" });
    this.problem = h("p", { class: "problem", role: "alert" });
    const described = { "aria-describedby": id };
    this.qr = iconButton("qr", t("qr.show"), () => this.#toggle("qr"), { ...described, "aria-expanded": "false" });
    this.manage = iconButton("edit", t("share.manage"), () => this.#toggle("manage"), {
      ...described,
      "aria-expanded": "false",
    });
    this.copy = iconButton("copy", t("share.copy"), () => dialog.copy(this.row.url, t("share.copied")), described);
    this.place = h("div", { class: "place", hidden: true });
    this.element = h(
      "li",
      { class: "link" },
      h(
        "div",
        { class: "line" },
        this.picture,
        h("div", { class: "words" }, this.name, this.meta, this.limited),
        h("div", { class: "tools" }, this.copy, this.qr, this.manage),
      ),
      this.problem,
      this.place,
    );
    this.update(row);
  }

  /** Shows the row as it is now. */
  update(row) {
    const { t, dates, people, canName } = this.dialog;
    this.row = row;
    const access = accessOf(row);
    this.picture.replaceChildren(icon(ACCESS_ICONS[access]));
    this.name.replaceChildren(
      row.label ? h("bdi", { title: row.label }, row.label) : t("share.linkOf", { date: dates.moment(row.created_at) }),
    );
    this.#describe();
    if (row.audience && canName) {
      people.load(row.audience).then(() => {
        if (this.row === row) this.#describe();
      });
    }
    this.#panel?.update();
  }

  /** What is stored, and where the policy narrows it, what holds. */
  #describe() {
    const { row, dialog } = this;
    const isLimited = row.limited_by_policy.length > 0;
    this.meta.replaceChildren(...brief(dialog, row));
    this.limited.replaceChildren(
      ...(isLimited
        ? [icon("limit"), h("span", {}, h("strong", {}, dialog.t("share.limited")), " ", ...sentence(dialog, row))]
        : []),
    );
    this.limited.hidden = !isLimited;
  }

  say(text) {
    this.problem.textContent = text;
  }

  /** After the policy was read again. */
  refresh() {
    this.update(this.row);
  }

  #toggle(what) {
    const isOpen = this.place.dataset.what === what;
    const { t } = this.dialog;
    delete this.place.dataset.what;
    this.#panel = null;
    this.place.replaceChildren();
    this.place.hidden = isOpen;
    this.qr.setAttribute("aria-expanded", String(!isOpen && what === "qr"));
    this.manage.setAttribute("aria-expanded", String(!isOpen && what === "manage"));
    if (isOpen) return;
    this.place.dataset.what = what;
    if (what === "qr") {
      const { client, signal } = this.dialog;
      this.place.append(
        qrView({
          client,
          t,
          signal,
          id: this.row.id,
          url: this.row.url,
          onError: (error) => {
            this.#toggle("qr");
            this.dialog.alert(error);
          },
        }),
      );
    } else {
      this.#panel = new Panel(this);
      this.place.append(this.#panel.element);
      this.#panel.update();
    }
  }

  /**
   * Shows the change at once, and sends it when those before it are done; what is refused goes
   * back.
   */
  change(settings) {
    this.#waiting += 1;
    this.say("");
    this.update({ ...this.row, ...settings });
    this.element.setAttribute("aria-busy", "true");
    this.#last = this.#last.then(() => this.#send(settings));
  }

  async #send(settings) {
    let error = null;
    try {
      this.#saved = await this.actions.change(this.#saved, settings);
    } catch (caught) {
      error = caught;
    }
    this.#waiting -= 1;
    if (error || !this.#waiting) this.update(this.#saved);
    if (!this.#waiting) this.element.removeAttribute("aria-busy");
    if (error) this.actions.failed(this, error, () => this.change(settings));
  }
}

/** The settings of a link that can be changed. */
class Panel {
  /** People are to be named, and none is chosen yet: until then nothing is sent. */
  #isNaming = false;

  constructor(owner) {
    this.owner = owner;
    const { dialog } = owner;
    const { t, dates, people, canName } = dialog;
    const id = uniqueId("access");
    this.access = h("select", { id, onchange: () => this.#accessChosen() });
    this.picker =
      canName &&
      new AudiencePicker({
        t,
        people,
        find: (query) => dialog.findPeople(query),
        value: owner.row.audience ?? [],
        onchange: (audience) => owner.change({ is_private: true, audience }),
      });
    this.files = switchOf({ label: t("share.files"), onchange: (isOn) => owner.change({ includes_artifacts: isOn }) });
    this.end = new EndField({ t, dates, end: owner.row.expires_at, onchange: () => this.#endChosen() });
    this.element = h(
      "div",
      { class: "panel" },
      h("div", { class: "field" }, h("label", { for: id }, t("share.question")), this.access),
      this.picker && this.picker.element,
      this.files.element,
      this.end.element,
      h(
        "div",
        { class: "buttons" },
        h(
          "button",
          { type: "button", class: "danger", onclick: () => owner.actions.remove(owner) },
          icon("trash"),
          t("share.delete"),
        ),
      ),
    );
  }

  update() {
    const { row, dialog } = this.owner;
    const { t, policy, canName } = dialog;
    const access = accessOf(row);
    if (access === "named") this.#isNaming = false;
    const offered = ACCESSES.toReversed().filter(
      (other) =>
        other === access ||
        other === "anyone" ||
        other === "signed_in" ||
        (other === "named" && (canName || row.audience?.length)),
    );
    this.access.replaceChildren(
      ...offered.map((other) => {
        const isForbidden = other !== access && !isAllowed(policy, other);
        const text =
          other === "named" && !canName
            ? t("share.who.countShort", { n: row.audience.length })
            : t(`share.access.${other}`);
        return h(
          "option",
          { value: other, disabled: isForbidden },
          isForbidden ? t("share.forbiddenChoice", { choice: text }) : text,
        );
      }),
    );
    this.access.value = this.#isNaming ? "named" : access;
    if (this.picker) {
      this.picker.element.hidden = !this.#isNaming && access !== "named" && access !== "owner";
      if (String(this.picker.value) !== String(row.audience ?? [])) this.picker.set(row.audience ?? []);
    }
    this.files.set(row.includes_artifacts);
    this.files.forbid(policy && !policy.allows_artifacts ? t("share.noFiles") : "");
    this.end.policy = policy;
    if (!this.end.error) this.end.set(row.expires_at);
  }

  async #accessChosen() {
    const { row } = this.owner;
    const { value } = this.access;
    const isNamed = row.audience?.length > 0;
    this.#isNaming = value === "named" && !isNamed;
    if (this.#isNaming) {
      this.update();
      return this.picker.input.focus();
    }
    const forgets = isNamed && (value === "signed_in" || value === "owner");
    if (forgets && !(await this.#mayForget())) return this.update();
    this.owner.change(
      {
        anyone: { is_private: false },
        signed_in: { is_private: true, audience: null },
        // With the list that is shown: another window may have changed it.
        named: { is_private: true, audience: row.audience },
        owner: { is_private: true, audience: [] },
      }[value],
    );
  }

  #mayForget() {
    const { dialog } = this.owner;
    const { t } = dialog;
    return dialog.confirm({
      title: t("share.changeTitle"),
      text: t("share.changeText", { forgets: t("list.edit.forgets") }),
      action: t("share.change"),
    });
  }

  #endChosen() {
    const end = this.end.value;
    if (end !== undefined) this.owner.change({ expires_at: end });
  }
}
