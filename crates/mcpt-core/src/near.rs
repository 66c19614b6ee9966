//! Near matches: what a mistyped name was probably meant to be.

/// The candidate that differs least from `word`, if any is near enough to be a typing error:
/// no edit in words of one or two letters, at most a third of the letters in others, and never more than four.
pub fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let letters = candidate.chars().count().max(folded.chars().count());
            *distance <= (letters / 3).min(4)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// `: did you mean "candidate"?`, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    near(word, candidates).map_or_else(String::new, |candidate| {
        format!(": did you mean {candidate:?}?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised() {
        let names = ["demo", "everything", "filesystem", "time", "a", "id"];
        for (word, expected) in [
            ("dmeo", Some("demo")),
            ("Demo", Some("demo")),
            ("file-system", Some("filesystem")),
            ("tmie", Some("time")),
            ("evrythin", Some("everything")),
            ("github", None),
            ("x", None),
            ("ed", None),
            ("", None),
        ] {
            assert_eq!(near(word, names), expected, "{word}");
        }
    }
}
