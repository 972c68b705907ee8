import { h, uniqueId } from "./h.js";

/**
 * Asks a question in a dialog over `root`; the focus is on *Cancel* first, and goes back afterwards.
 *
 * @returns {Promise<boolean>}
 */
export function confirmed(root, t, { title, text, action }) {
  const ids = [uniqueId("title"), uniqueId("text")];
  return new Promise((resolve) => {
    const answer = (value) => () => dialog.close(value);
    const dialog = h(
      "dialog",
      {
        class: "confirm",
        role: "alertdialog",
        "aria-labelledby": ids[0],
        "aria-describedby": ids[1],
        onclose: (event) => {
          event.stopPropagation();
          dialog.remove();
          resolve(dialog.returnValue === "yes");
        },
      },
      h("h2", { id: ids[0] }, title),
      h("p", { id: ids[1] }, text),
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: answer("") }, t("common.cancel")),
        h("button", { type: "button", class: "danger", onclick: answer("yes") }, action),
      ),
    );
    root.append(dialog);
    dialog.showModal();
  });
}
