import { ACCESS_ICONS, accessOf } from "../parts/access.js";
import { alertPlace } from "../parts/alert.js";
import { h, uniqueId } from "../parts/h.js";
import { icon, iconButton } from "../parts/icons.js";
import { qrView } from "../parts/qr.js";
import { SettingsForm } from "../parts/settings-form.js";
import { switchOf } from "../parts/switch.js";
import { brief, sentence } from "./sentence.js";

/**
 * A link that the chat has already: copy, QR code, and a panel that changes or deletes it. What
 * becomes of a change is up to `actions`.
 */
export class LinkRow {
  #panel = null;
  isBusy = false;

  /**
   * @param {object} row
   * @param {object} dialog the `<share-chat-dialog>`: texts, people, client, policy
   * @param {{ change: (row: LinkRow, change: object) => void, save: (row: LinkRow, change: object)
   *   => Promise<boolean>, remove: (row: LinkRow) => void }} actions
   */
  constructor(row, dialog, actions) {
    Object.assign(this, { row, dialog, actions });
    const { t } = dialog;
    const id = uniqueId("link");
    this.name = h("p", { class: "name", id });
    this.meta = h("p", { class: "hint" });
    this.limited = h("p", { class: "limited" });
    this.picture = h("span", { class: "picture" });
    this.message = alertPlace(t, () => this.manage.focus());
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
      this.message.element,
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

  busy(isBusy) {
    this.isBusy = isBusy;
    this.element.setAttribute("aria-busy", String(isBusy));
  }

  /** What went wrong, beside the link that it is about (errorWords). Null takes it away. */
  say(words, retry = null) {
    this.message.say(words, retry);
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
      this.#panel = this.#newPanel();
      this.place.append(this.#panel.element);
    }
  }

  #newPanel() {
    const { dialog, actions } = this;
    const { t } = dialog;
    const settings = new SettingsForm(this, dialog, (change) => actions.save(this, change));
    const files = switchOf({
      label: t("share.files"),
      onchange: (isOn) => actions.change(this, { includes_artifacts: isOn }),
    });
    const remove = { type: "button", class: "danger", onclick: () => actions.remove(this) };
    const element = h(
      "div",
      { class: "panel" },
      settings.element,
      files.element,
      h("div", { class: "buttons" }, h("button", remove, icon("trash"), t("share.delete"))),
    );
    const update = () => {
      const { row } = this;
      const { policy } = dialog;
      settings.update(row);
      files.set(row.includes_artifacts);
      files.forbid(policy && !policy.allows_artifacts ? t("share.noFiles") : "");
    };
    update();
    return { element, update };
  }
}
