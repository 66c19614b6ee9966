//! Chance that can be repeated.

/// A sequence of numbers that a seed determines (xorshift64*).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            chance.below(2);
        }
        chance
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Up to `most` texts, one after the other.
    pub(crate) fn some(
        &mut self,
        most: usize,
        mut make: impl FnMut(&mut Self) -> String,
    ) -> String {
        let count = self.below(most + 1);
        (0..count).map(|_| make(self)).collect()
    }
}

/// A text as a literal of a template.
pub(crate) fn quoted(text: &str) -> String {
    if !text.contains('`') && !text.contains('\r') {
        return format!("`{text}`");
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n").replace('\r', "\\r"))
}
