// The page of the demo's chat product. What a product writes to share chats is in `sharing`.

const find = (id) => document.getElementById(id);
const shareDialog = document.querySelector("share-chat-dialog");
const listDialog = document.querySelector("shared-chats-dialog");

/** What "Add a message" offers, in turn. */
const SAMPLES = [
  "Thank you! One more thing: is it true that $1 + 2 + \\dots + n = \\frac{n(n+1)}{2}$?",
  "I tried it:\n\n```python\nn = 100\nassert sum(range(n + 1)) == n * (n + 1) // 2\n```",
  "Who reads along?\n\n| who | signed in | sees this |\n|:--|:--|:--|\n| Alice | yes | **yes** |\n| a friend | no | as the link allows |",
];

let state = { users: [], user: null, chats: [], principals: [] };
let chat = null;
let sample = 0;
const returnTo = new URLSearchParams(location.search).get("return_to");

/** Dialogs of the service: a token, and people to name. All else they have from their attributes. */
function sharing() {
  for (const dialog of [shareDialog, listDialog]) {
    dialog.token = async () => {
      const { user, token } = await call("token", {});
      // Links of one user are not shown to, nor made by, another.
      if (user !== state.user) throw new Error("Another window changed the user. Reload the page.");
      return token;
    };
    dialog.findPeople = async (query) => {
      const words = query.trim().toLowerCase();
      return state.principals.filter(({ name }) => name.toLowerCase().includes(words));
    };
    dialog.describe = async (principals) => {
      const known = state.principals.filter(({ principal }) => principals.includes(principal));
      return Object.fromEntries(known.map(({ principal, name }) => [principal, name]));
    };
  }
  find("share").addEventListener("click", () => {
    shareDialog.setAttribute("chat-session-id", chat.id);
    shareDialog.setAttribute("chat-name", title(chat));
    open(shareDialog);
  });
  find("shared-chats").addEventListener("click", () => open(listDialog));
  shareDialog.addEventListener("manage", () => open(listDialog));
}

function open(dialog) {
  if (!dialog.show) return fail(new Error("The dialog could not be loaded from the service. Reload the page."));
  dialog.show();
}

// Calls of this page's own server

async function call(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The demo does not answer. Is it still running?");
  }
  const text = await answer.text();
  if (!answer.ok) {
    let message = text;
    try {
      message = JSON.parse(text).message ?? text;
    } catch {
      // The framework's own refusals are plain text.
    }
    const error = new Error(message || `The demo answered ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return text ? JSON.parse(text) : null;
}

function fail(error) {
  const problem = find("problem");
  problem.textContent = error.message;
  problem.hidden = false;
}

/** Runs what a person asked for; what goes wrong is said. */
async function attempt(action) {
  find("problem").hidden = true;
  try {
    await action();
  } catch (error) {
    // Another window signed out or in.
    if (error.status === 401 || error.status === 404) await refresh().catch(fail);
    fail(error);
  }
}

// What is shown

const title = ({ id, name }) => name || id;

async function refresh() {
  state = await call("state");
  if (state.is_first_visit && !returnTo) {
    await call("session", { user: state.users[0].id });
    state = await call("state");
  }
  showUsers();
  const isIn = state.user !== null && !returnTo;
  find("shared-chats").hidden = !isIn;
  find("chats").hidden = !isIn;
  find("conversation").hidden = !isIn;
  find("signed-out").hidden = isIn;
  if (!isIn) {
    for (const dialog of [shareDialog, listDialog]) dialog.close?.();
    return showSignIn();
  }
  chat = state.chats.find(({ id }) => `#${encodeURIComponent(id)}` === location.hash) ?? state.chats[0] ?? null;
  showChats();
  await showConversation();
}

function showUsers() {
  const choices = [...state.users, { id: "", name: "Signed out" }].map(({ id, name }) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "user", value: id, checked: id === (state.user ?? "") });
    input.addEventListener("change", () => attempt(() => signIn(id || null)));
    const text = document.createElement("bdi");
    text.textContent = name;
    label.append(input, text);
    return label;
  });
  const focused = find("users").contains(document.activeElement);
  find("users").replaceChildren(find("users").querySelector("legend"), ...choices);
  if (focused) find("users").querySelector("input:checked").focus();
}

async function signIn(user) {
  const { next } = await call("session", { user, ...(returnTo && { return_to: returnTo }) });
  if (returnTo) return location.assign(next ?? location.pathname);
  await refresh();
  const name = state.users.find(({ id }) => id === user)?.name;
  find("status").textContent = name ? `Signed in as ${name}` : "Signed out";
}

function showSignIn() {
  document.title = returnTo ? "Sign in" : "Chats";
  find("signed-out-title").textContent = returnTo ? "Sign in to open the link" : "You are signed out";
  find("signed-out-text").textContent = returnTo
    ? "A real product asks for a password here. This one only asks who you are, and brings you back to the link."
    : "Public links open for you all the same. A private one asks you to sign in, and leads here.";
  const buttons = state.users.map(({ id, name }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.append("Sign in as ", Object.assign(document.createElement("bdi"), { textContent: name }));
    button.addEventListener("click", () => attempt(() => signIn(id)));
    return button;
  });
  find("sign-in").replaceChildren(...buttons);
}

function showChats() {
  const items = state.chats.map((one) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dir = "auto";
    button.textContent = title(one);
    if (one.id === chat?.id) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => attempt(() => choose(one)));
    const item = document.createElement("li");
    item.append(button);
    return item;
  });
  find("chats").querySelector("ul").replaceChildren(...items);
}

async function choose(one) {
  chat = one;
  history.replaceState(null, "", `#${encodeURIComponent(one.id)}`);
  for (const [index, button] of [...find("chats").querySelectorAll("button")].entries()) {
    if (state.chats[index].id === one.id) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  await showConversation();
  scrollTo(0, 0);
  find("name").focus({ preventScroll: true });
}

async function showConversation() {
  find("share").hidden = chat === null;
  find("composer").hidden = chat === null || !state.can_add_messages;
  find("read-only").hidden = state.can_add_messages;
  const asked = chat;
  const { name, messages } = chat ? await call(`conversation?id=${encodeURIComponent(chat.id)}`) : { messages: [] };
  // Another chat may have been chosen meanwhile.
  if (asked !== chat) return;
  find("name").textContent = chat ? title({ ...chat, name }) : "No chats";
  document.title = find("name").textContent;
  find("messages").replaceChildren(...messages.map(article));
}

function article({ role, created_at, html }) {
  const speakers = { user: "User", assistant: "Assistant" };
  const message = document.createElement("article");
  message.className = `message ${role in speakers ? role : "other"}`;
  const header = document.createElement("header");
  const speaker = document.createElement("h2");
  speaker.append(Object.assign(document.createElement("bdi"), { textContent: speakers[role] ?? role }));
  header.append(speaker);
  const sent = new Date(created_at);
  if (!Number.isNaN(sent.valueOf())) {
    const time = document.createElement("time");
    time.dateTime = sent.toISOString();
    time.textContent = sent.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    header.append(time);
  }
  const content = document.createElement("div");
  content.className = "content";
  // The server writes it as it does for the page behind a link: no part of the message is markup.
  content.innerHTML = html;
  message.append(header, content);
  return message;
}

function offerSample() {
  find("text").value = SAMPLES[sample % SAMPLES.length];
  sample += 1;
}

find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await call("messages", { chat: chat.id, content: find("text").value });
    offerSample();
    await showConversation();
    find("messages").lastElementChild?.scrollIntoView({ block: "nearest" });
    find("status").textContent = "The message was added";
  });
});

// Another window may have signed in or out, or added a message.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !shareDialog.open && !listDialog.open) attempt(refresh);
});

sharing();
offerSample();
attempt(refresh);
