import { h, uniqueId } from "./h.js";

/**
 * A toggle switch with its label. `onchange(isOn)` is called when it is turned; the caller puts it back if that is
 * refused. `set(isOn)` turns it without a call; `forbid(reason)` keeps it from being turned on and says why, "" allows it.
 */
export function switchOf({ label, hint = "", isOn = false, describedBy = "", onchange }) {
  const id = uniqueId("switch");
  const why = h("span", { class: "hint", id, hidden: !hint }, hint);
  let reason = "";
  const input = h("input", {
    type: "checkbox", role: "switch", checked: isOn, "aria-describedby": `${id} ${describedBy}`.trim(),
    onclick: (event) => { if (reason && input.checked) event.preventDefault(); },
    onchange: () => onchange(input.checked),
  });
  const element = h("label", { class: "switch" },
    h("span", { class: "words" }, h("span", { class: "name" }, label), why), input, h("span", { class: "track", "aria-hidden": "true" }));
  return {
    element,
    input,
    get isOn() {
      return input.checked;
    },
    set(value) {
      input.checked = value;
    },
    forbid(text) {
      reason = text;
      why.textContent = text || hint;
      why.hidden = !why.textContent;
      element.classList.toggle("forbidden", Boolean(text));
      if (text) input.setAttribute("aria-disabled", String(!input.checked));
      else input.removeAttribute("aria-disabled");
    },
  };
}
