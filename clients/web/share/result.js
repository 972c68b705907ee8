import { h, uniqueId } from "../parts/h.js";
import { icon } from "../parts/icons.js";
import { qrView } from "../parts/qr.js";
import { sentence } from "./sentence.js";

/** The link that was just made: its address, a button that copies it, its QR code, and what viewers see. */
export function resultView(dialog, row) {
  const { t, client, signal } = dialog;
  const id = uniqueId("url");
  const url = h("input", { id, type: "text", readonly: true, value: row.url, dir: "ltr", onfocus: () => url.select() });
  const copy = h("button", { type: "button", class: "primary", "aria-describedby": `${id}-ready ${id}-says`, onclick: () => dialog.copy(row.url, t("share.copied")) }, icon("copy"), t("share.copy"));
  const says = h("p", { class: "says", id: `${id}-says` }, ...sentence(dialog, row));
  const element = h("section", { class: "result", "aria-labelledby": `${id}-ready` },
    h("div", { class: "done" }, icon("check"), h("h3", { id: `${id}-ready` }, t("share.ready"))),
    h("div", { class: "field" },
      h("label", { for: id, class: "unseen" }, t("share.link")),
      h("div", { class: "address" }, url, copy)),
    says,
    qrView({ client, t, signal, id: row.id, url: row.url, onError: (error) => dialog.alert(error) }));
  return { element, row, focus: () => copy.focus() };
}
