import { h, uniqueId } from "./h.js";

/** Characters of a label (docs/API.md 3). */
const LONGEST_LABEL = 200;

/** The field of a link's label, which its owner alone sees. */
export function labelField({ t, oninput = () => {} }) {
  const id = uniqueId("label");
  const input = h("input", {
    id,
    type: "text",
    maxlength: LONGEST_LABEL,
    autocomplete: "off",
    dir: "auto",
    "aria-describedby": `${id}-hint`,
    oninput,
  });
  const hint = h("p", { class: "hint", id: `${id}-hint` }, t("label.hint"));
  return { input, element: h("div", { class: "field" }, h("label", { for: id }, t("label.label")), input, hint) };
}
