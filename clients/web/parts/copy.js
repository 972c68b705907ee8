/**
 * Copies text. The clipboard of the browser may be missing (a page without TLS) or forbidden (a frame), and then the
 * old way is tried: a selection in a field, inside `root`, because a modal dialog makes everything else inert.
 *
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(text, root) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text, root);
  }
}

function copySelection(text, root) {
  const focused = root.getRootNode().activeElement;
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.readOnly = true;
  field.value = text;
  root.append(field);
  field.select();
  let isCopied = false;
  try {
    isCopied = document.execCommand("copy");
  } catch {
    isCopied = false;
  }
  field.remove();
  focused?.focus();
  return isCopied;
}
