import { h } from "./h.js";
import { icon, iconButton } from "./icons.js";

/**
 * What went wrong, with a button that takes the message away.
 *
 * @param {{ text: string, detail?: string, request?: string, canRetry?: boolean }} words see errorWords
 * @param {{ retry?: (() => void) | null, dismiss: () => void }} actions `retry` has a button where
 *   the words say that it may help
 */
function alertBox(t, words, { retry, dismiss }) {
  const again = () => {
    dismiss();
    retry();
  };
  return h(
    "div",
    { class: "alert" },
    icon("alert"),
    h(
      "div",
      { class: "words" },
      h("p", {}, words.text),
      words.detail && h("p", { class: "small", dir: "auto" }, words.detail),
      words.request && h("p", { class: "small" }, words.request),
    ),
    retry &&
      words.canRetry &&
      h("button", { type: "button", class: "quiet", onclick: again }, t("common.retry")),
    iconButton("close", t("common.dismiss"), dismiss),
  );
}

/** The place of an alert. `dismissed()` moves the focus on from its button. */
export function alertPlace(t, dismissed) {
  const element = h("div", { role: "alert" });
  const say = (words, retry = null) => {
    const dismiss = () => {
      say(null);
      dismissed();
    };
    element.replaceChildren(...(words ? [alertBox(t, words, { retry, dismiss })] : []));
  };
  return { element, say };
}
