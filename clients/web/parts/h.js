const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `on…` functions listen, `true` sets an empty attribute, `false`, `null` and `undefined` set none;
 * `value` and `checked` are properties. Children that are null or false are left out; strings become text, never HTML.
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let ids = 0;

/** An id that no other element of the page has. */
export function uniqueId(prefix = "sc") {
  return `${prefix}-${(ids += 1)}`;
}
