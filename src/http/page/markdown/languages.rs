//! The languages that `hl-lite` does not know, by the words and marks that set them apart.
//!
//! To add one: a row in [`LANGUAGES`].

use hl_lite::{Kind, Span};

struct Language {
    /// As in a fence, in lower case.
    names: &'static [&'static str],
    keywords: &'static [&'static str],
    /// What begins a comment that ends with the line.
    comments: &'static [&'static str],
    /// Whether there are comments in `/* */`.
    has_block_comments: bool,
    quotes: &'static [u8],
    /// Of the quotes, those whose string may have more than one line.
    multiline_quotes: &'static [u8],
    /// What stands before the name of a variable.
    sigils: &'static [u8],
    /// Whether keywords are written in any case; then a capital does not make a type.
    ignores_case: bool,
}

const C_LIKE: Language = Language {
    names: &[],
    keywords: &[],
    comments: &["//"],
    has_block_comments: true,
    quotes: b"\"'",
    multiline_quotes: b"",
    sigils: b"",
    ignores_case: false,
};

const LANGUAGES: [Language; 10] = [
    Language {
        names: &["c", "h", "cpp", "c++", "cc", "cxx", "hpp", "cuda", "arduino"],
        keywords: words![
            alignas auto bool break case catch char class co_await co_return concept const
            constexpr continue default delete do double else enum explicit extern float for
            friend goto if inline int long mutable namespace new noexcept operator override
            private protected public requires return short signed sizeof static struct switch
            template this throw try typedef typename union unsigned using virtual void volatile
            while
        ],
        ..C_LIKE
    },
    Language {
        names: &["csharp", "c#", "cs"],
        keywords: words![
            abstract as async await base bool break byte case catch char class const continue
            decimal default delegate do double else enum event finally float for foreach get if
            in init int interface internal is lock long namespace new object operator out
            override params private protected public readonly record ref required return sealed
            set static string struct switch this throw try typeof using var virtual void when
            where while yield
        ],
        ..C_LIKE
    },
    Language {
        names: &["java"],
        keywords: words![
            abstract assert boolean break byte case catch char class continue default do double
            else enum extends final finally float for if implements import instanceof int
            interface long new package permits private protected public record return sealed
            short static super switch synchronized this throw throws try var void volatile while
            yield
        ],
        ..C_LIKE
    },
    Language {
        names: &["kotlin", "kt", "kts", "scala"],
        keywords: words![
            abstract as break by case catch class companion continue data def do else enum
            extends final finally for fun if implicit import in init interface internal is
            lateinit lazy match object open operator override package private protected public
            return sealed super suspend this throw trait try val var when where while with yield
        ],
        ..C_LIKE
    },
    Language {
        names: &["go", "golang"],
        keywords: words![
            any bool break byte case chan const continue default defer else error fallthrough
            float64 for func go goto if import int int64 interface map package range return rune
            select string struct switch type var
        ],
        quotes: b"\"'`",
        multiline_quotes: b"`",
        ..C_LIKE
    },
    Language {
        names: &["swift"],
        keywords: words![
            actor as async await break case catch class continue default defer do else enum
            extension for func guard if import in init inout is let override private protocol
            public repeat return self static struct super switch throw throws try var where
            while
        ],
        quotes: b"\"",
        ..C_LIKE
    },
    Language {
        names: &["php"],
        keywords: words![
            abstract array as break case catch class const continue default do echo else elseif
            enum extends final finally fn for foreach function if implements instanceof
            interface match namespace new private protected public readonly require return
            static switch throw trait try use while yield
        ],
        comments: &["//", "# "],
        multiline_quotes: b"\"'",
        sigils: b"$",
        ..C_LIKE
    },
    Language {
        names: &["ruby", "rb"],
        keywords: words![
            alias and begin break case class def do else elsif end ensure for if in module next
            not or redo require rescue retry return self super then unless until when while
            yield
        ],
        comments: &["#"],
        has_block_comments: false,
        multiline_quotes: b"\"'",
        sigils: b"@$",
        ..C_LIKE
    },
    Language {
        names: &["r", "julia", "jl"],
        keywords: words![
            begin break const do else elseif end export for function if import in let library
            module mutable next quote repeat return struct using while
        ],
        comments: &["#"],
        has_block_comments: false,
        ..C_LIKE
    },
    Language {
        names: &["sql", "postgresql", "postgres", "mysql", "sqlite", "plsql", "tsql"],
        keywords: words![
            add all alter analyze and as asc begin between bigint boolean by cascade case check
            column commit concurrently constraint create cross date default delete desc distinct
            drop else end except exists explain foreign from full function group having if ilike
            in index inner insert int integer interval into is join key lateral left like limit
            not numeric offset on or order outer over partition primary references replace
            returning returns right rollback select set table text then timestamp to transaction
            trigger truncate union unique update using values varchar view when where window
            with
        ],
        comments: &["--"],
        multiline_quotes: b"\"'",
        ignores_case: true,
        ..C_LIKE
    },
];

const CONSTANTS: [&str; 9] =
    ["FALSE", "NULL", "TRUE", "false", "nil", "null", "nullptr", "true", "undefined"];

/// The code in its parts, which joined are the code. `None` if the language is not known.
pub(super) fn spans<'a>(language: &str, code: &'a str) -> Option<Vec<Span<'a>>> {
    let language = LANGUAGES
        .iter()
        .find(|known| known.names.iter().any(|name| name.eq_ignore_ascii_case(language)))?;
    let (mut spans, mut at, mut plain) = (Vec::new(), 0, 0);
    while at < code.len() {
        let (kind, end) = language.next(code, at);
        if kind != Kind::Plain {
            spans.push(Span { kind: Kind::Plain, text: &code[plain..at] });
            spans.push(Span { kind, text: &code[at..end] });
            plain = end;
        }
        at = end;
    }
    spans.push(Span { kind: Kind::Plain, text: &code[plain..] });
    Some(spans)
}

impl Language {
    /// What begins at this character, and where it ends: after at least one.
    fn next(&self, code: &str, at: usize) -> (Kind, usize) {
        let rest = &code[at..];
        if self.comments.iter().any(|mark| rest.starts_with(mark)) {
            return (Kind::Comment, at + rest.find('\n').unwrap_or(rest.len()));
        }
        if self.has_block_comments && rest.starts_with("/*") {
            let end = rest[2..].find("*/").map_or(code.len(), |length| at + 2 + length + 2);
            return (Kind::Comment, end);
        }
        let Some(first) = rest.chars().next() else {
            return (Kind::Plain, code.len());
        };
        let next = at + first.len_utf8();
        let mark = u8::try_from(first).unwrap_or(0);
        if self.quotes.contains(&mark) {
            return (Kind::String, self.end_of_string(code, at, mark));
        }
        if first.is_ascii_digit() {
            return (Kind::Number, end_of_number(code, at));
        }
        if is_word_char(first) {
            let end = end_of_word(code, at);
            return (self.word(&code[at..end], code[end..].starts_with('(')), end);
        }
        // `@Override`, `#include`, `$variable`.
        let is_sigil = self.sigils.contains(&mark);
        if (is_sigil || matches!(first, '@' | '#')) && code[next..].starts_with(is_word_char) {
            let kind = if is_sigil { Kind::Variable } else { Kind::Attribute };
            return (kind, end_of_word(code, next));
        }
        (Kind::Plain, next)
    }

    fn word(&self, word: &str, is_called: bool) -> Kind {
        let is_same = |keyword: &&str| match self.ignores_case {
            true => keyword.eq_ignore_ascii_case(word),
            false => *keyword == word,
        };
        if self.keywords.iter().any(is_same) {
            Kind::Keyword
        } else if CONSTANTS.contains(&word) {
            Kind::Constant
        } else if is_called {
            Kind::Function
        } else if !self.ignores_case && word.starts_with(|c: char| c.is_ascii_uppercase()) {
            Kind::Type
        } else {
            Kind::Plain
        }
    }

    /// A string without an end ends with its line, or with the code.
    fn end_of_string(&self, code: &str, at: usize, quote: u8) -> usize {
        if let Some(inner) = code[at..].strip_prefix("\"\"\"") {
            return inner.find("\"\"\"").map_or(code.len(), |length| at + length + 6);
        }
        let has_escapes = quote != b'`' && !self.ignores_case;
        let rest = &code.as_bytes()[at + 1..];
        let mut place = 0;
        while let Some(byte) = rest.get(place) {
            match byte {
                b'\\' if has_escapes => place += 1,
                b'\n' if !self.multiline_quotes.contains(&quote) => return at + 1 + place,
                _ if *byte == quote => return at + 1 + place + 1,
                _ => {}
            }
            place += 1;
        }
        code.len()
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_word(code: &str, at: usize) -> usize {
    code[at..].find(|c| !is_word_char(c)).map_or(code.len(), |length| at + length)
}

fn end_of_number(code: &str, at: usize) -> usize {
    let end = end_of_word(code, at);
    let is_fraction = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    match code[end..].strip_prefix('.').filter(|rest| is_fraction(rest)) {
        Some(_) => end_of_word(code, end + 1),
        None => end,
    }
}
