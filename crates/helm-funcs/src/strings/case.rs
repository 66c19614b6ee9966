//! Letter case: upper, title, `snake_case`, `PascalCase` and kin, as Go's packages and xstrings do.

use crate::args::Registry;

pub(super) fn register(r: &mut Registry) {
    r.text("upper", |s| s.chars().map(upper).collect());
    r.text("lower", |s| s.chars().map(lower).collect());
    r.text("title", title);
    r.text("untitle", untitle);
    r.text("swapcase", swapcase);
    r.text("snakecase", |s| lower_words(s, '_'));
    r.text("kebabcase", |s| lower_words(s, '-'));
    r.text("camelcase", pascal);
}

/// Go maps each character to one character, never to several.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Go's `strings.Title`: a letter after a separator goes up.
fn title(s: &str) -> String {
    let mut previous = ' ';
    s.chars()
        .map(|c| {
            let start = is_separator(previous);
            previous = c;
            if start { upper(c) } else { c }
        })
        .collect()
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !(c.is_alphanumeric()) && c.is_whitespace()
}

fn untitle(s: &str) -> String {
    let mut start = true;
    s.chars()
        .map(|c| {
            let first = start;
            start = c.is_whitespace();
            if first && !start { lower(c) } else { c }
        })
        .collect()
}

fn swapcase(s: &str) -> String {
    s.chars()
        .map(|c| match c {
            c if c.is_uppercase() => lower(c),
            c if c.is_lowercase() => upper(c),
            c => c,
        })
        .collect()
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// `PascalCase`: connectors vanish and the letter after them goes up; a run of capitals at the
/// start of a word goes down after the first.
fn pascal(s: &str) -> String {
    let chars: Vec<char> = s.chars().collect();
    let lead = chars.iter().take_while(|c| is_connector(**c)).count();
    if lead == chars.len() {
        // xstrings writes the last connector twice.
        return s.chars().chain(s.chars().next_back()).collect();
    }
    let mut out: String = chars[..lead].iter().collect();
    let mut in_capitals = chars[lead].is_uppercase();
    let mut current = upper(chars[lead]);
    for &next in &chars[lead + 1..] {
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            in_capitals = current.is_uppercase();
            current = upper(current);
        } else {
            if in_capitals {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    in_capitals = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    End,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '!'..='#' | '%'..='*' | ','..='/' | ':' | ';' | '?' | '@' | '['..=']' | '_' | '{' | '}')
}

fn classify(c: char) -> Word {
    match c {
        c if is_connector(c) => Word::Connector,
        c if is_punctuation(c) => Word::Punctuation,
        c if c.is_uppercase() => Word::Upper,
        c if c.is_alphabetic() => Word::Letters,
        c if c.is_numeric() => Word::Number,
        _ => Word::Other,
    }
}

/// Takes the next word off the characters.
fn next_word<'a>(rest: &mut &'a [char]) -> (Word, &'a [char]) {
    let Some(&first) = rest.first() else {
        return (Word::End, &[]);
    };
    let run = |of: fn(char) -> bool, from: usize| {
        from + rest[from..].iter().take_while(|c| of(**c)).count()
    };
    let class = classify(first);
    let len = match class {
        Word::Connector => run(is_connector, 1),
        Word::Punctuation => run(is_punctuation, 1),
        Word::Letters => run(|c| c.is_alphabetic() && !c.is_uppercase(), 1),
        Word::Number => run(char::is_numeric, 1),
        Word::Upper => match rest.get(1) {
            Some(c) if c.is_uppercase() => {
                let end = run(char::is_uppercase, 1);
                // The last capital begins the word that follows.
                if rest.get(end).is_some_and(|c| c.is_alphabetic()) {
                    end - 1
                } else {
                    end
                }
            }
            Some(c) if c.is_alphabetic() => run(|c| c.is_alphabetic() && !c.is_uppercase(), 1),
            _ => 1,
        },
        Word::Other | Word::End => run(|c| classify(c) == Word::Other, 1),
    };
    let (word, after) = rest.split_at(len);
    *rest = after;
    (class, word)
}

/// Words in lower case with a connector between: the rules of xstrings' `ToSnakeCase`.
fn lower_words(s: &str, connector: char) -> String {
    let chars: Vec<char> = s.chars().collect();
    let mut rest = chars.as_slice();
    let mut out = String::new();
    let push = |out: &mut String, class: Word, word: &[char]| {
        if class == Word::Connector {
            out.extend(word.iter().map(|_| connector));
        } else {
            out.extend(word.iter().map(|c| lower(*c)));
        }
    };
    let joins = |class: Word| !matches!(class, Word::Connector | Word::Punctuation);
    let (mut class, mut word) = next_word(&mut rest);
    while !rest.is_empty() {
        if class != Word::Connector {
            push(&mut out, class, word);
        }
        let (previous, last) = (class, word);
        (class, word) = next_word(&mut rest);
        match previous {
            Word::Number => {
                while matches!(class, Word::Letters | Word::Number) {
                    push(&mut out, class, word);
                    (class, word) = next_word(&mut rest);
                }
                if class != Word::End && joins(class) {
                    out.push(connector);
                }
            }
            Word::Connector => push(&mut out, previous, last),
            Word::Punctuation => {}
            _ if class != Word::Number => {
                if joins(class) {
                    out.push(connector);
                }
            }
            _ => {
                if rest.is_empty() {
                    break;
                }
                let number = word;
                (class, word) = next_word(&mut rest);
                if class != Word::Letters {
                    push(&mut out, Word::Number, number);
                    if joins(class) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                push(&mut out, Word::Number, number);
                while matches!(class, Word::Letters | Word::Number) {
                    push(&mut out, class, word);
                    (class, word) = next_word(&mut rest);
                }
                if class != Word::End && joins(class) {
                    out.push(connector);
                }
            }
        }
    }
    push(&mut out, class, word);
    out
}
