//! Amounts in Kubernetes' notation, as the units that engines take.

/// CPU in billionths of a core: `500m`, `1`, `0.5`. `None` when it is no amount that can be had.
pub(crate) fn nano_cpus(text: &str) -> Option<i64> {
    let amount = amount(text)? * 1e9;
    in_range(amount)
}

/// Memory in bytes: `128Mi`, `1G`, `1e9`. `None` as for [`nano_cpus`].
pub(crate) fn bytes(text: &str) -> Option<i64> {
    in_range(amount(text)?)
}

fn in_range(amount: f64) -> Option<i64> {
    let rounded = amount.ceil();
    // Beyond 2^53 a float is no exact number, and no machine has that much.
    ((1.0..9e15).contains(&rounded)).then_some(rounded as i64)
}

fn amount(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text
        .rfind(|c: char| c.is_ascii_digit() || c == '.')
        .map(|at| at + 1)?;
    let (number, suffix) = text.split_at(end);
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !number.chars().all(plain) {
        return None;
    }
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        for (text, expected) in [
            ("500m", Some(500_000_000)),
            ("1", Some(1_000_000_000)),
            ("0.5", Some(500_000_000)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("0", None),
            ("one", None),
            ("1x", None),
        ] {
            assert_eq!(nano_cpus(text), expected, "{text}");
        }
        for (text, expected) in [
            ("128Mi", Some(128 * 1024 * 1024)),
            ("1G", Some(1_000_000_000)),
            ("1e9", Some(1_000_000_000)),
            ("1.5Ki", Some(1536)),
            ("1E", None),
            ("inf", None),
            ("NaN", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
