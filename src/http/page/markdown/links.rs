//! Addresses in text that the author did not mark as links.

use std::{iter, ops::Range};

use linkify::{LinkFinder, LinkKind};

use super::cjk::is_cjk;

/// Where `http` and `https` addresses are in the text.
pub(super) fn bare(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !text.contains("://") {
        return found;
    }
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let mut start = 0;
    // CJK punctuation ends an address, as those scripts write no spaces.
    for piece in text.split_inclusive(|c| is_cjk(c) && !c.is_alphanumeric()) {
        let words = piece.trim_end_matches(|c| is_cjk(c) && !c.is_alphanumeric());
        for link in finder.links(words) {
            let address = link.as_str();
            let Some((scheme, rest)) = address.split_once("://") else {
                continue;
            };
            if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
                let begin = start + link.start();
                found.push(begin..begin + scheme.len() + 3 + length(rest));
            }
        }
        start += piece.len();
    }
    found
}

/// The length of an address without the text that follows its host without a space.
fn length(address: &str) -> usize {
    let host = address.find(['/', '?', '#']).unwrap_or(address.len());
    address[..host].find(is_cjk).unwrap_or(address.len())
}

/// The text cut into what is an address (`true`) and what is none.
pub(super) fn cut(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut copied = 0;
    let addresses = bare(text).into_iter().chain(iter::once(text.len()..text.len()));
    addresses.flat_map(move |address| {
        let before = &text[copied..address.start];
        copied = address.end;
        [(before, false), (&text[address], true)]
    })
}
