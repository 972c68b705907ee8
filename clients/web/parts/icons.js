import { h, svg } from "./h.js";

/** Strokes on a grid of 24. */
const PATHS = {
  alert: ["M12 8v5", "M12 16.5v.01", "M10.3 4 2.6 17.3A2 2 0 0 0 4.3 20h15.4a2 2 0 0 0 1.7-2.7L13.7 4a2 2 0 0 0-3.4 0Z"],
  camera: ["M4 8h3l1.5-2.5h7L17 8h3a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1Z", "M15.5 13a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0Z"],
  check: ["m5 12.5 4.5 4.5L19 7.5"],
  chevron: ["m6 9 6 6 6-6"],
  close: ["m6 6 12 12", "M18 6 6 18"],
  copy: ["M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1Z", "M16 9V4a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3"],
  edit: ["M4 20h4L19.5 8.5a2.1 2.1 0 0 0-3-3L5 17l-1 3Z", "m14.5 7.5 3 3"],
  external: ["M14 4h6v6", "M20 4 11 13", "M18 14v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h5"],
  globe: ["M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z", "M3 12h18", "M12 3c5 5 5 13 0 18", "M12 3c-5 5-5 13 0 18"],
  limit: ["M12 3 4.5 6v5.500c0 4.5 3 8 7.5 9.5 4.5-1.5 7.5-5 7.5-9.500V6Z", "M12 8.500v4", "M12 15.500v.01"],
  link: ["M10 14a4.5 4.5 0 0 0 6.5 0l3-3A4.6 4.6 0 0 0 13 4.500l-1 1", "M14 10a4.5 4.5 0 0 0-6.5 0l-3 3A4.6 4.6 0 0 0 11 19.500l1-1"],
  live: ["M14 12a2 2 0 1 1-4 0 2 2 0 0 1 4 0Z", "M8 16a5.7 5.7 0 0 1 0-8", "M16 8a5.7 5.7 0 0 1 0 8", "M5 19a10 10 0 0 1 0-14", "M19 5a10 10 0 0 1 0 14"],
  lock: ["M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z", "M8 11V8a4 4 0 0 1 8 0v3"],
  next: ["m9 6 6 6-6 6"],
  plus: ["M12 5v14", "M5 12h14"],
  previous: ["m15 6-6 6 6 6"],
  qr: ["M4 4h6v6H4Z", "M14 4h6v6h-6Z", "M4 14h6v6H4Z", "M14 14h2v2", "M20 14v2h-2v4", "M14 20h1", "M20 20v.01"],
  search: ["M18 11a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z", "m16 16 4.5 4.5"],
  trash: ["M4 7h16", "M9 7V4h6v3", "M6 7l1 13h10l1-13", "M10 11v5", "M14 11v5"],
  user: ["M16 8a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z", "M4 20.500c1-4 4-6 8-6s7 2 8 6"],
  users: ["M12.5 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0Z", "M2 19.500c.7-3.5 3.3-5.5 7-5.500s6.3 2 7 5.5", "M15.5 4.800a3.5 3.5 0 0 1 0 6.4", "M17.5 14.300c2.4.7 4 2.5 4.5 5.2"],
};

/** A picture beside words, or in a button that has a label: hidden from screen readers. */
export function icon(name) {
  const paths = PATHS[name].map((d) => svg("path", { d }));
  return svg("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, ...paths);
}

/** A button that is a picture; the label is its name and its tooltip. */
export function iconButton(name, label, onclick, props = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props },
    icon(name),
  );
}
