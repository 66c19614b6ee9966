//! [`Words`]: finding servers by words, without regard to case.

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Words(Vec<String>);

/// How well something fits; the better one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match(u32);

impl Words {
    /// Words as they are written; spaces within one part it.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().flat_map(str::split_whitespace);
        Self(words.map(str::to_lowercase).collect())
    }

    /// Whether nothing is looked for, which everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How well a server fits: each word must be in its name, its title or its description. What has a word as a whole part of
    /// its name fits best, then what has it in its name, in its title, in its description.
    #[must_use]
    pub fn fit(&self, name: &str, title: &str, description: &str) -> Option<Match> {
        let name = name.to_lowercase();
        let title = title.to_lowercase();
        let description = description.to_lowercase();
        let own = name.rsplit_once('/').map_or(name.as_str(), |(_, own)| own);
        let mut sum = 0;
        for word in &self.0 {
            let parts = own.split(|c: char| !c.is_alphanumeric());
            sum += if name == *word || own == word {
                64
            } else if parts.into_iter().any(|part| part == word) {
                32
            } else if own.contains(word.as_str()) {
                16
            } else if title.contains(word.as_str()) {
                8
            } else if name.contains(word.as_str()) {
                4
            } else if description.contains(word.as_str()) {
                2
            } else {
                return None;
            };
        }
        Some(Match(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_ones_come_first() {
        let words = Words::new(["GitHub"]);
        let fit = |name: &str, title: &str, description: &str| words.fit(name, title, description);
        let ranked = [
            fit("com.github/github", "", ""),
            fit("io.x/github-mcp", "", ""),
            fit("io.x/mygithubs", "", ""),
            fit("io.x/y", "For GitHub", ""),
            fit("io.github.x/y", "", ""),
            fit("io.x/y", "", "reads GitHub"),
        ];
        assert!(ranked.iter().all(Option::is_some));
        assert!(ranked.is_sorted_by(|one, next| one > next), "{ranked:?}");
        assert_eq!(fit("io.x/y", "", ""), None);
        let both = Words::new(["git hub", "x"]);
        assert!(both.fit("io.x/hub", "", "git").is_some());
        assert!(both.fit("io.x/hub", "", "").is_none());
        assert!(Words::new(["  "]).is_empty());
    }
}
