import { h } from "../parts/h.js";
import { icon } from "../parts/icons.js";
import { qrView } from "../parts/qr.js";
import { SettingsForm } from "../parts/settings-form.js";

/** What is behind a row's "Details": its QR code, what is changed less often, and ids. */
export class Details {
  constructor(view, dialog, actions) {
    const { t, client } = dialog;
    const { row } = view;
    this.request = new AbortController();
    this.settings = new SettingsForm(view, dialog, (change) => actions.save(view, change));
    const { signal } = this.request;
    const qr = qrView({
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
      this.settings.element,
      qr,
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
  }

  update(row) {
    this.settings.update(row);
  }

  stop() {
    this.request.abort();
  }
}
