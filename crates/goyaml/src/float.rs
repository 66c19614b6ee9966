//! Floating point numbers as Go prints them.

/// The shortest decimal digits of a finite number and the place of its decimal point: `0.DIGITS × 10^point`.
struct Decimal {
    negative: bool,
    digits: String,
    point: i32,
}

impl Decimal {
    /// Takes apart what `{:e}` prints, which has the shortest digits that read back as the same number.
    fn from_exponential(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        Self {
            negative,
            digits: mantissa.replace('.', ""),
            point: exponent + 1,
        }
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    fn exponential(&self, exponent_width: usize) -> String {
        let exponent = self.point - 1;
        let (first, rest) = self.digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        let exponent = exponent.unsigned_abs();
        format!(
            "{}{first}{dot}{rest}e{sign}{exponent:0exponent_width$}",
            self.sign()
        )
    }

    fn positional(&self) -> String {
        let sign = self.sign();
        let digits = &self.digits;
        let length = digits.len() as i32;
        if self.point <= 0 {
            format!(
                "{sign}0.{}{digits}",
                "0".repeat(self.point.unsigned_abs() as usize)
            )
        } else if self.point >= length {
            format!(
                "{sign}{digits}{}",
                "0".repeat((self.point - length) as usize)
            )
        } else {
            let (whole, fraction) = digits.split_at(self.point as usize);
            format!("{sign}{whole}.{fraction}")
        }
    }
}

/// A number as `strconv.FormatFloat(f, 'g', -1, 64)` prints it, with go-yaml's names of what is not a number.
pub fn format_general(number: f64) -> String {
    special(number).unwrap_or_else(|| general(&format!("{number:e}")))
}

/// `strconv.FormatFloat(f, 'g', -1, 32)`: how sigs.k8s.io/yaml makes a string of a number.
pub(crate) fn format_g32(number: f64) -> String {
    let narrow = number as f32;
    special(f64::from(narrow)).unwrap_or_else(|| general(&format!("{narrow:e}")))
}

fn special(number: f64) -> Option<String> {
    if number.is_nan() {
        Some(".nan".to_owned())
    } else if number.is_infinite() {
        Some(if number > 0.0 { ".inf" } else { "-.inf" }.to_owned())
    } else {
        None
    }
}

fn general(exponential: &str) -> String {
    let decimal = Decimal::from_exponential(exponential);
    let exponent = decimal.point - 1;
    // Without a precision Go takes 6 for the choice of the form.
    if decimal.digits != "0" && !(-4..6).contains(&exponent) {
        decimal.exponential(2)
    } else {
        decimal.positional()
    }
}

/// A number as `encoding/json` prints a float64; `None` for infinities and NaN, which JSON has not.
pub fn format_json(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let decimal = Decimal::from_exponential(&format!("{number:e}"));
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        Some(decimal.exponential(1))
    } else {
        Some(decimal.positional())
    }
}
