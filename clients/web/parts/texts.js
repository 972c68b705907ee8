import de from "../texts/de.js";
import en from "../texts/en.js";

const LANGUAGES = { de, en };

/**
 * The function that gives an element's texts: `t("share.title")`, `t("share.links", { n: 3 })`.
 *
 * A text has `{placeholders}`; numbers are written as the language does. A text with forms, such as
 * `{ one, other }`, is chosen by `n` (Intl.PluralRules). What a language or `overrides` leave out
 * is English. `t.nodes(key, params)` gives strings and elements, for placeholders that are
 * elements. `t.locale` is that of numbers and dates, `t.lang` the language of the texts.
 *
 * @param {string} lang a BCP 47 tag
 * @param {object} [overrides] texts of the page, nested as texts/en.js is or with dots: `{
 *   "share.title": "…" }`
 */
export function textsOf(lang, overrides) {
  const locale = localeOf(lang);
  const name = locale.split("-")[0];
  const language = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : null;
  const own = new Intl.PluralRules(locale);
  const sources = [
    { texts: overrides, plural: own },
    { texts: language, plural: own },
    { texts: en, plural: new Intl.PluralRules("en") },
  ].filter(({ texts }) => texts);
  const number = new Intl.NumberFormat(locale);
  const find = (key, n) => {
    for (const { texts, plural } of sources) {
      const found = lookUp(texts, key);
      if (typeof found === "string") return found;
      const form = found && (found[plural.select(n ?? 0)] ?? found.other);
      if (typeof form === "string") return form;
    }
    return null;
  };
  const nodes = (key, params = {}) => {
    const parts = (find(key, params.n) ?? key).split(/\{(\w+)\}/);
    return parts.map((part, index) => {
      if (index % 2 === 0) return part;
      const value = params[part] ?? "";
      return typeof value === "number" ? number.format(value) : value;
    });
  };
  const t = (key, params) => nodes(key, params).join("");
  return Object.assign(t, { nodes, has: (key) => find(key) !== null, locale, lang: language || overrides ? locale : "en" });
}

/** The locale for a page's language, which may be written `en_US`, or be none at all. */
function localeOf(lang) {
  try {
    return Intl.NumberFormat.supportedLocalesOf([lang.replaceAll("_", "-")])[0] ?? "en";
  } catch {
    return "en";
  }
}

function lookUp(texts, key) {
  if (Object.hasOwn(texts, key)) return texts[key];
  let found = texts;
  for (const name of key.split(".")) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name)) return undefined;
    found = found[name];
  }
  return found;
}
