// Adds a button to each code block that copies the code; without script there is none. Again for
// what is shown later: live.js calls it.
function addCopyButtons(page) {
  for (const figure of page.querySelectorAll("figure")) {
    const button = page.createElement("button");
    button.type = "button";
    button.className = "copy";
    say(button, "Copy", "Copy code");
    figure.append(button);
  }
}
function say(button, text, label) {
  button.textContent = text;
  button.setAttribute("aria-label", label);
}
// One listener for all, as live.js moves copies of the buttons into the page.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.(".copy");
  if (!button) return;
  // Without the last line break: pasted into a shell it would run the last line.
  const code = button.closest("figure").querySelector("code").textContent.replace(/\n$/, "");
  let said = "Copied";
  try { await navigator.clipboard.writeText(code); } catch { said = copyBySelection(button, code) ? said : "Not copied"; }
  say(button, said, said);
  setTimeout(() => say(button, "Copy", "Copy code"), 2000);
});
// For pages that are not served by HTTPS, where there is no clipboard.
function copyBySelection(button, code) {
  const field = document.createElement("textarea");
  field.value = code;
  field.className = "copied";
  button.after(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  button.focus();
  return done;
}
addCopyButtons(document);
