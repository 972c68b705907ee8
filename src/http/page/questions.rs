//! The table of contents: the questions of a chat.

use crate::model::Role;

use super::{budget::Budget, sanitize};

/// With fewer questions there is no table of contents: the chat is found at a glance.
pub(super) const MIN_QUESTIONS: usize = 5;

/// Later questions are counted, not listed.
pub(super) const MAX_QUESTIONS: usize = 200;

/// A longer question is cut. In characters.
const MAX_CHARS: usize = 80;

/// What is around a question's text in the list, in bytes.
const MARKUP: usize = 64;

/// The questions of a chat, in its order.
#[derive(Default)]
pub(super) struct Questions {
    pub listed: Vec<Question>,
    /// How many there are beside those.
    pub others: usize,
}

pub(super) struct Question {
    /// The number of the message, from 1.
    pub number: usize,
    /// The first line that has words.
    pub text: String,
}

impl Questions {
    /// Adds a message, if it is a question with words.
    pub(super) fn add(&mut self, number: usize, role: &Role, text: &str) {
        if *role != Role::USER {
            return;
        }
        if self.listed.len() == MAX_QUESTIONS {
            self.others += 1;
        } else if let Some(text) = first_words(text) {
            self.listed.push(Question { number, text });
        }
    }

    /// What is shown of them: nothing if they are few. What is listed is taken from the budget.
    pub(super) fn within(mut self, budget: &mut Budget) -> Self {
        if self.listed.len() < MIN_QUESTIONS {
            return Self::default();
        }
        let row = |question: &Question| MARKUP + sanitize::escaped_len(&question.text);
        let fitting = self.listed.iter().take_while(|question| budget.take(row(question))).count();
        self.others += self.listed.len() - fitting;
        self.listed.truncate(fitting);
        self
    }
}

/// The first line with a letter or a digit, without what marks a heading, quotation or item, cut.
fn first_words(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains(char::is_alphanumeric))?;
    let line = sanitize::without_direction_changes(line);
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "#>*-+`".contains(c));
    let mut chars = line.trim_end().chars();
    let mut words: String = chars.by_ref().take(MAX_CHARS).collect();
    if chars.next().is_some() {
        words.push('…');
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Questions {
        let mut questions = Questions::default();
        for (place, text) in texts.iter().enumerate() {
            questions.add(place + 1, &Role::USER, text);
        }
        questions
    }

    #[test]
    fn a_question_is_its_first_line_with_words_without_marks() {
        for (text, words) in [
            ("Why?\nBecause.", "Why?"),
            ("\n---\n## **Why** is it so?  \n", "Why** is it so?"),
            ("> - quoted", "quoted"),
            ("```\ncode", "code"),
            ("\u{202e}abc\u{2066}", "abc"),
        ] {
            assert_eq!(first_words(text).unwrap(), words);
        }
        assert_eq!(first_words("…\n \n--"), None);
        let long = "é".repeat(81);
        assert_eq!(first_words(&long).unwrap(), "é".repeat(80) + "…");
        assert_eq!(first_words(&long[2..]).unwrap(), "é".repeat(80));
    }

    #[test]
    fn few_questions_need_no_list_and_many_are_cut() {
        let whole = || Budget::of(usize::MAX);
        assert_eq!(of(&["a"; MIN_QUESTIONS - 1]).within(&mut whole()).listed.len(), 0);
        assert_eq!(of(&["a"; MIN_QUESTIONS]).within(&mut whole()).listed.len(), MIN_QUESTIONS);
        let many = of(&["a"; MAX_QUESTIONS + 7]).within(&mut whole());
        assert_eq!((many.listed.len(), many.others), (MAX_QUESTIONS, 7));
        let mut answers = Questions::default();
        answers.add(1, &Role::ASSISTANT, "a");
        assert_eq!(answers.listed.len(), 0);
    }

    #[test]
    fn the_list_is_within_its_budget() {
        let mut budget = Budget::of(1000);
        let cut = of(&["<<<<<<<<<<a"; 20]).within(&mut budget);
        assert!((5..10).contains(&cut.listed.len()), "{}", cut.listed.len());
        assert_eq!(cut.listed.len() + cut.others, 20);
    }
}
