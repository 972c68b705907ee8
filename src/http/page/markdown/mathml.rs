//! Typesets a formula as MathML.
//!
//! The converter's output is read and written again: only elements, attributes and values that are
//! known here get out. There are no links, no styles, no colours, and no lengths beyond
//! [`MAX_LENGTH`]. A formula that has anything else, is not understood or is beyond a bound is shown
//! as its source.
//!
//! The converter knows no definitions (`\def`, `\newcommand`), so nothing expands.

use std::sync::LazyLock;

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

use crate::http::page::sanitize::{is_escaped, is_right_to_left};

/// A longer formula is shown as its source, in bytes.
pub(super) const MAX_FORMULA: usize = 2000;

/// So is one in which more commands, scripts and braces may be within each other: the converter
/// calls itself for each.
pub(super) const MAX_LEVELS: usize = 200;

/// The depth of its elements.
pub(super) const MAX_FORMULA_DEPTH: usize = 40;

/// Of one space, of the thickness of a line, or of the size of a bracket, in em.
const MAX_LENGTH: f32 = 5.0;

/// Of all spaces together, in em.
const MAX_SPACE: f32 = 40.0;

/// A formula in a line that is longer than this, in bytes, scrolls on its own where there is no room.
const MAX_SHORT: usize = 48;

/// Commands that the converter does not know, by those that it does.
const COMMANDS: [(&str, &str); 5] = [
    ("boxed", r"\begin{darray}{|c}\hline #1\end{darray}"),
    ("textcolor", r"{#2}"),
    ("substack", r"\begin{subarray}{c}#1\end{subarray}"),
    ("numbered", r"\qquad(\mathrm{#1})"),
    ("pmb", r"\boldsymbol{#1}"),
];

static CONVERTER: LazyLock<Option<LatexToMathML>> = LazyLock::new(|| {
    let macros = COMMANDS.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    LatexToMathML::new(MathCoreConfig { macros, ..MathCoreConfig::default() }).ok()
});

/// Sorted.
const ELEMENTS: &[&str] = words![
    math mfrac mi mmultiscripts mn mo mover mpadded mprescripts mroot mrow mspace msqrt msub
    msubsup msup mtable mtd mtext mtr munder munderover
];

/// Fonts within text. Their text stays.
const LEFT_OUT: [&str; 7] = ["b", "code", "em", "i", "s", "span", "u"];

/// With their values.
const ATTRIBUTES: [(&str, &[&str]); 9] = [
    ("accent", &["true", "false"]),
    ("accentunder", &["true", "false"]),
    ("displaystyle", &["true", "false"]),
    ("form", &["infix", "postfix", "prefix"]),
    ("mathvariant", &["normal"]),
    ("movablelimits", &["true", "false"]),
    ("scriptlevel", &["0", "1", "2"]),
    ("stretchy", &["true", "false"]),
    ("symmetric", &["true", "false"]),
];

/// Attributes whose value is a length.
const LENGTHS: &[&str] = words![height linethickness lspace maxsize minsize rspace width];

/// What of the converter's styles has a class in `page.css`. Other styles have no effect.
const CLASSES: [(&str, &str); 10] = [
    ("border-left: 0.05em dashed currentcolor", "bl"),
    ("border-left: 0.05em solid currentcolor", "bl"),
    ("border-right: 0.05em dashed currentcolor", "br"),
    ("border-right: 0.05em solid currentcolor", "br"),
    ("border-top: 0.05em dashed currentcolor", "bt"),
    ("border-top: 0.05em solid currentcolor", "bt"),
    ("padding-left: 0", "pl"),
    ("padding-right: 0", "pr"),
    ("text-align: left", "left"),
    ("text-align: right", "right"),
];

/// The markup of a formula, which its delimiters are a part of. `None` if it is to be shown as its
/// source.
pub(super) fn typeset(formula: &str) -> Option<String> {
    let (source, display) = without_delimiters(formula)?;
    let is_strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if source.len() > MAX_FORMULA || source.contains(is_strange) || levels(source)? > MAX_LEVELS {
        return None;
    }
    let class = match display {
        MathDisplay::Block => "formula block",
        MathDisplay::Inline if source.len() > MAX_SHORT => "formula long",
        MathDisplay::Inline => "formula",
    };
    // The environments are alike.
    let mut source = source.replace("{split}", "{aligned}");
    // Elsewhere it is an error.
    if !["{align}", "{equation}", "{gather}"].iter().any(|numbers| source.contains(numbers)) {
        source = source.replace(r"\tag{", r"\numbered{");
    }
    let mathml = CONVERTER.as_ref()?.convert_with_local_state(&source, display).ok()?.mathml;
    // What scrolls can be focused, to be scrolled by the keyboard.
    let focus = if class == "formula" { "" } else { r#" tabindex="0""# };
    let mut out = format!(r#"<span class="{class}" dir="ltr"{focus}>"#);
    write_known(&mut out, &mathml)?;
    out.push_str("</span>");
    Some(out)
}

fn without_delimiters(formula: &str) -> Option<(&str, MathDisplay)> {
    for (open, close, display) in [
        ("$$", "$$", MathDisplay::Block),
        ("$", "$", MathDisplay::Inline),
        ("\\[", "\\]", MathDisplay::Block),
        ("\\(", "\\)", MathDisplay::Inline),
    ] {
        if let Some(rest) = formula.strip_prefix(open)
            && let Some(source) = rest.strip_suffix(close)
        {
            return Some((source, display));
        }
    }
    None
}

/// How many commands, scripts and braces may be within each other, as in `\frac1\frac1\frac12`: those
/// before a place that are in no braces that end before it. `None` if it has a comment, in which
/// braces are none.
fn levels(source: &str) -> Option<usize> {
    let (mut open, mut all, mut most) = (Vec::new(), 0, 0);
    let mut bytes = source.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => return None,
            b'}' => all = open.pop().unwrap_or(all),
            b'{' => open.push(all),
            b'\\' => _ = bytes.next(),
            b'^' | b'_' => {}
            _ => continue,
        }
        all += usize::from(byte != b'}');
        most = most.max(all);
    }
    Some(most)
}

/// Writes the markup with what is known here. `None` if there is anything else.
fn write_known(out: &mut String, mathml: &str) -> Option<()> {
    let mut tags = mathml.split('<');
    if !tags.next()?.is_empty() {
        return None;
    }
    let (mut open, mut space) = (Vec::new(), 0.0);
    for (index, tag) in tags.enumerate() {
        // There is one `math`, around all else.
        if (index == 0) != open.is_empty() {
            return None;
        }
        let (tag, text) = tag.split_once('>')?;
        if let Some(name) = tag.strip_prefix('/') {
            if !LEFT_OUT.contains(&name) {
                let opened: &str = open.pop().filter(|opened| *opened == name)?;
                out.push_str("</");
                out.push_str(opened);
                out.push('>');
            }
        } else {
            write_tag(out, tag, &mut open, &mut space)?;
        }
        // Letters are apart, from the left to the right, which is no way to read these.
        if open.last() != Some(&"mtext") && text.contains(is_right_to_left) {
            return None;
        }
        write_text(out, text)?;
    }
    open.is_empty().then_some(())
}

fn write_tag(
    out: &mut String,
    tag: &str,
    open: &mut Vec<&'static str>,
    space: &mut f32,
) -> Option<()> {
    let (tag, is_empty) = match tag.strip_suffix('/') {
        Some(tag) => (tag, true),
        None => (tag, false),
    };
    let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    if LEFT_OUT.contains(&name) {
        return (!is_empty).then_some(());
    }
    let name = ELEMENTS[ELEMENTS.binary_search(&name).ok()?];
    if (name == "math") != open.is_empty() || open.len() >= MAX_FORMULA_DEPTH {
        return None;
    }
    out.push('<');
    out.push_str(name);
    write_attributes(out, attributes, space)?;
    out.push('>');
    if is_empty {
        // In HTML as in XML.
        out.push_str("</");
        out.push_str(name);
        out.push('>');
    } else {
        open.push(name);
    }
    Some(())
}

fn write_attributes(out: &mut String, attributes: &str, space: &mut f32) -> Option<()> {
    let mut rest = attributes.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        rest = after.trim_start();
        let known = |(known, values): &(&str, &[&str])| *known == name && values.contains(&value);
        if LENGTHS.contains(&name) {
            let length = length(value)?;
            if name == "width" {
                *space += length;
            }
            if *space > MAX_SPACE {
                return None;
            }
        } else if name == "style" {
            write_classes(out, value);
            continue;
        } else if name == "class" {
            continue;
        } else if !(name == "display" && value == "block" || ATTRIBUTES.iter().any(known)) {
            return None;
        }
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        out.push_str(value);
        out.push('"');
    }
    Some(())
}

fn write_classes(out: &mut String, style: &str) {
    let mut before = " class=\"";
    for declaration in style.split(';') {
        let known = CLASSES.iter().find(|(known, _)| *known == declaration.trim());
        if let Some((_, class)) = known {
            out.push_str(before);
            out.push_str(class);
            before = " ";
        }
    }
    if before == " " {
        out.push('"');
    }
}

/// In em; `None` if it is too long, or in another unit.
fn length(value: &str) -> Option<f32> {
    let number = value.strip_suffix("em").or_else(|| (value == "0").then_some(value))?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let length: f32 = number.bytes().all(is_digit).then(|| number.parse().ok())??;
    (length <= MAX_LENGTH).then_some(length)
}

/// Text is written as it is: it has to be escaped already.
fn write_text(out: &mut String, text: &str) -> Option<()> {
    const REFERENCES: [&str; 5] = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
    let mut rest = text;
    while let Some(at) = rest.find(is_escaped) {
        rest = &rest[at..];
        let known = REFERENCES.into_iter().find(|reference| rest.starts_with(*reference));
        rest = match known {
            Some(reference) => &rest[reference.len()..],
            // A quotation mark does no harm in text.
            None => rest.strip_prefix(['"', '\''])?,
        };
    }
    out.push_str(text);
    Some(())
}

#[cfg(test)]
mod tests;
