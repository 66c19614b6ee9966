//! Go's strconv.FormatFloat.

/// The default format of a float64: `%v`, with the fewest digits that identify the value.
pub fn float_text(v: f64) -> String {
    format_float(v, 'g', None, false)
}

/// Go's `strconv.FormatFloat(v, verb, prec, bits)` for the verbs e, E, f, F, g, G, x,
/// X and b; no
/// precision means the fewest digits that identify the value, as a float32 if `single`.
pub fn format_float(v: f64, verb: char, prec: Option<usize>, single: bool) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if v.is_sign_negative() { "-" } else { "" };
    let v = v.abs();
    let body = match verb {
        'e' | 'E' => {
            let digits = match prec {
                None => Digits::shortest(v, single),
                Some(prec) => Digits::rounded(v, prec),
            };
            let places = prec.unwrap_or(digits.digits.len() - 1);
            digits.exponential(places, verb)
        }
        'g' | 'G' => general(v, verb, prec, single),
        'x' | 'X' => hexadecimal(v, verb, prec),
        'b' => binary(v, single),
        _ => match prec {
            None => Digits::shortest(v, single).plain(),
            Some(prec) => format!("{v:.prec$}"),
        },
    };
    format!("{sign}{body}")
}

fn general(v: f64, verb: char, prec: Option<usize>, single: bool) -> String {
    let (digits, mut limit) = match prec {
        None => (Digits::shortest(v, single), 6),
        Some(prec) => {
            let prec = prec.max(1);
            (Digits::rounded(v, prec - 1).trimmed(), prec)
        }
    };
    let count = digits.digits.len();
    let point = digits.exponent + 1;
    let count_signed = i32::try_from(count).unwrap_or(i32::MAX);
    if prec.is_some() && limit > count && count_signed >= point {
        limit = count;
    }
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    if digits.exponent < -4 || digits.exponent >= limit {
        let letter = if verb == 'g' { 'e' } else { 'E' };
        return digits.exponential(count - 1, letter);
    }
    digits.plain()
}

/// The significand as an integer and the power of two it is multiplied with.
fn decompose(v: f64) -> (u64, i32) {
    let bits = v.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    }
}

fn binary(v: f64, single: bool) -> String {
    let (mut significand, mut exponent) = decompose(v);
    if single {
        // A float32 has 29 bits less.
        significand >>= 29;
        exponent += 29;
    }
    format!("{significand}p{exponent:+}")
}

fn hexadecimal(v: f64, verb: char, prec: Option<usize>) -> String {
    let (mut significand, mut exponent) = decompose(v);
    if significand == 0 {
        exponent = 0;
    } else {
        let shift = significand.leading_zeros() as i32 - 11;
        significand <<= shift;
        exponent += 52 - shift;
    }
    if let Some(prec) = prec.filter(|prec| *prec < 13) {
        // Half of the last place goes to the even neighbour.
        let cut = 52 - 4 * prec as u32;
        let (low, half) = (significand & ((1 << cut) - 1), 1 << (cut - 1));
        significand >>= cut;
        if low > half || (low == half && significand & 1 == 1) {
            significand += 1;
        }
        significand <<= cut;
        if significand >> 53 != 0 {
            significand >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:013x}", significand & ((1 << 52) - 1));
    let fraction = match prec {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(prec) if prec <= 13 => fraction[..prec].to_owned(),
        Some(prec) => format!("{fraction:0<prec$}"),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!(
        "0x{}{point}{fraction}p{sign}{:02}",
        significand >> 52,
        exponent.abs()
    );
    if verb == 'X' {
        text.to_uppercase()
    } else {
        text
    }
}

/// Decimal digits `d.ddd` times ten to the `exponent`.
struct Digits {
    digits: String,
    exponent: i32,
}

impl Digits {
    fn shortest(v: f64, single: bool) -> Self {
        Self::parse(&if single {
            format!("{:e}", v as f32)
        } else {
            format!("{v:e}")
        })
    }

    /// Rounded to `places` digits after the first.
    fn rounded(v: f64, places: usize) -> Self {
        Self::parse(&format!("{v:.places$e}"))
    }

    fn parse(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        Self {
            digits: mantissa.replace('.', ""),
            exponent: exponent.parse().unwrap_or(0),
        }
    }

    fn trimmed(mut self) -> Self {
        let len = self.digits.trim_end_matches('0').len().max(1);
        self.digits.truncate(len);
        self
    }

    fn exponential(&self, places: usize, letter: char) -> String {
        let mut out = self.digits[..1].to_owned();
        if places > 0 {
            out.push('.');
            out.push_str(&self.digits[1..]);
            for _ in self.digits.len()..=places {
                out.push('0');
            }
        }
        let sign = if self.exponent < 0 { '-' } else { '+' };
        format!("{out}{letter}{sign}{:02}", self.exponent.abs())
    }

    fn plain(&self) -> String {
        if self.exponent < 0 {
            let zeros = usize::try_from(-self.exponent - 1).unwrap_or(0);
            return format!("0.{}{}", "0".repeat(zeros), self.digits);
        }
        let whole = usize::try_from(self.exponent).unwrap_or(0) + 1;
        if self.digits.len() <= whole {
            return format!("{}{}", self.digits, "0".repeat(whole - self.digits.len()));
        }
        format!("{}.{}", &self.digits[..whole], &self.digits[whole..])
    }
}
