import { ACCESS_ICONS, accessOf, isAllowed } from "../parts/access.js";
import { alertPlace } from "../parts/alert.js";
import { h, uniqueId } from "../parts/h.js";
import { icon } from "../parts/icons.js";
import { switchOf } from "../parts/switch.js";
import { Details } from "./details.js";
import { accessText, activityText, endText, keptText, limitedTexts } from "./words.js";

/** A link in the list. What becomes of a change is up to `actions`: see view.js. */
export class RowView {
  constructor(row, dialog, actions) {
    this.dialog = dialog;
    this.actions = actions;
    this.isBusy = false;
    this.details = null;
    this.id = uniqueId("link");
    this.element = this.build(row);
    this.update(row);
  }

  build(row) {
    const { t } = this.dialog;
    const { id, actions } = this;
    this.check = h("input", {
      type: "checkbox",
      "aria-labelledby": `${id}-select ${id}-name`,
      onchange: () => actions.select(this, this.check.checked),
    });
    this.name = h("bdi", {});
    this.label = h("bdi", {});
    this.labelLine = h("p", { class: "note" }, this.label);
    this.access = h("p", { class: "access" });
    this.meta = h("span", {});
    this.kept = h("p", { class: "small" });
    this.activity = h("span", { class: "activity" });
    this.limited = h("div", { class: "limited" });
    this.message = alertPlace(t, () => this.more.focus());
    this.switches = {
      // Private, for those whom the row shows: another window may have changed the list.
      is_private: this.switch("list.public", (isOn) => ({
        is_private: !isOn,
        ...(!isOn && this.row.audience ? { audience: this.row.audience } : {}),
      })),
      includes_artifacts: this.switch("list.files", (isOn) => ({ includes_artifacts: isOn })),
    };
    this.copy = h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-describedby": `${id}-name`,
        onclick: () => this.dialog.copy(this.row.url, t("share.copied")),
      },
      icon("copy"),
      t("list.copyLink"),
    );
    this.more = h(
      "button",
      {
        type: "button",
        class: "quiet more",
        "aria-expanded": "false",
        "aria-controls": `${id}-details`,
        "aria-describedby": `${id}-name`,
        onclick: () => this.expand(this.panel.hidden),
      },
      t("list.details"),
      icon("chevron"),
    );
    this.panel = h("div", {
      id: `${id}-details`,
      class: "details-place",
      role: "group",
      "aria-labelledby": `${id}-name`,
      hidden: true,
    });
    return h(
      "li",
      { class: "row", "data-id": row.id },
      h(
        "div",
        { class: "summary" },
        h(
          "label",
          { class: "pick" },
          this.check,
          h("span", { class: "unseen", id: `${id}-select` }, t("list.select")),
        ),
        h(
          "div",
          { class: "what" },
          h("h3", { id: `${id}-name` }, this.name),
          this.labelLine,
          this.access,
          this.kept,
          h("p", { class: "small meta" }, this.meta, this.activity),
          this.limited,
        ),
        h(
          "div",
          { class: "switches" },
          Object.values(this.switches).map((one) => one.element),
        ),
        h("div", { class: "buttons" }, this.copy, this.more),
      ),
      this.message.element,
      this.panel,
    );
  }

  switch(key, changeOf) {
    const { t } = this.dialog;
    const made = switchOf({
      label: t(key),
      describedBy: `${this.id}-name`,
      onchange: (isOn) => {
        const change = changeOf(isOn);
        this.actions.change(this, change, Object.keys(change)[0]);
      },
    });
    made.input.addEventListener("click", (event) => {
      if (event.defaultPrevented) this.say({ text: made.element.title });
    });
    return made;
  }

  /** Shows a row as the service has it, or as it is going to be. */
  update(row) {
    const { t, dates, policy } = this.dialog;
    this.row = row;
    this.name.textContent = row.name?.trim() || t("common.untitled");
    this.name.title = row.name ?? "";
    this.label.textContent = row.label ?? "";
    this.labelLine.hidden = !row.label;
    this.access.replaceChildren(icon(ACCESS_ICONS[accessOf(row)]), accessText(t, row));
    this.access.dataset.access = accessOf(row);
    this.kept.textContent = keptText(t, row);
    this.kept.hidden = !this.kept.textContent;
    const since = t(row.is_frozen ? "list.snapshot" : "list.live", {
      date: dates.day(row.created_at),
    });
    this.meta.textContent = [since, endText(t, dates, row)].filter(Boolean).join(" · ");
    const limits = limitedTexts(t, dates, row, policy);
    this.limited.replaceChildren(
      ...limits.map((text) => h("p", {}, icon("limit"), h("span", {}, text))),
    );
    this.limited.hidden = !limits.length;
    this.set("is_private", !row.is_private, isAllowed(policy, "anyone") ? "" : t("list.noPublic"));
    this.set(
      "includes_artifacts",
      row.includes_artifacts,
      policy?.allows_artifacts === false ? t("list.noFiles") : "",
    );
    this.details?.update(row);
  }

  /** What the policy forbids can be turned off where it is on. */
  set(field, isOn, reason) {
    const one = this.switches[field];
    one.set(isOn);
    one.forbid(isOn ? "" : reason);
    one.element.title = isOn ? "" : reason;
  }

  busy(isBusy) {
    this.isBusy = isBusy;
    this.element.setAttribute("aria-busy", String(isBusy));
  }

  /** What went wrong, beside the link that it is about (errorWords). Null takes it away. */
  say(words, retry = null) {
    this.message.say(words, retry);
  }

  showActivity(activity) {
    const { t, dates } = this.dialog;
    this.activity.textContent = activity
      ? activityText(t, dates, activity)
      : t("list.activity.unknown");
  }

  select(isSelected) {
    this.check.checked = isSelected;
    this.element.classList.toggle("selected", isSelected);
  }

  expand(isExpanded) {
    this.panel.hidden = !isExpanded;
    this.more.setAttribute("aria-expanded", String(isExpanded));
    this.details?.stop();
    this.details = isExpanded ? new Details(this, this.dialog, this.actions) : null;
    this.panel.replaceChildren(...(this.details ? [this.details.element] : []));
  }
}
