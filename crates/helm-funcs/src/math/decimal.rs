//! Decimal arithmetic for addf, subf, mulf and divf: `0.1 + 0.2` is `0.3` there.

/// `digits * 10^exponent`
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    digits: i128,
    exponent: i32,
}

/// Digits after the point that a division keeps.
const DIVISION_PLACES: i32 = 16;

impl Decimal {
    /// The decimal with the fewest digits that is nearest to this float; infinite and undefined
    /// floats have none.
    pub(super) fn from_float(v: f64) -> Option<Self> {
        if !v.is_finite() {
            return None;
        }
        let text = format!("{v:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let places = mantissa
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        Some(Self {
            digits: mantissa.replace('.', "").parse().ok()?,
            exponent: exponent.parse::<i32>().ok()? - i32::try_from(places).ok()?,
        })
    }

    pub(super) fn to_float(self) -> f64 {
        format!("{}e{}", self.digits, self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// The same number with a smaller exponent; `None` if its digits are too many for that.
    fn with_exponent(self, exponent: i32) -> Option<i128> {
        let shift = u32::try_from(self.exponent - exponent).ok()?;
        self.digits.checked_mul(10i128.checked_pow(shift)?)
    }

    pub(super) fn add(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let digits = self
            .with_exponent(exponent)?
            .checked_add(other.with_exponent(exponent)?)?;
        Some(Self { digits, exponent })
    }

    pub(super) fn sub(self, other: Self) -> Option<Self> {
        self.add(Self {
            digits: -other.digits,
            ..other
        })
    }

    pub(super) fn mul(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        Some(Self {
            digits,
            exponent: self.exponent + other.exponent,
        })
    }

    /// The quotient, rounded half away from zero. The divisor must not be zero.
    pub(super) fn div(self, other: Self) -> Option<Self> {
        let exponent = -DIVISION_PLACES;
        let shift = self.exponent - other.exponent - exponent;
        let (mut above, mut below) = (self.digits, other.digits);
        let scale = 10i128.checked_pow(shift.unsigned_abs())?;
        if shift >= 0 {
            above = above.checked_mul(scale)?;
        } else {
            below = below.checked_mul(scale)?;
        }
        let (quotient, rest) = (above.checked_div(below)?, above.checked_rem(below)?);
        let away = if (above < 0) == (below < 0) { 1 } else { -1 };
        let up = rest.checked_mul(2)?.unsigned_abs() >= below.unsigned_abs();
        Some(Self {
            digits: if up { quotient + away } else { quotient },
            exponent,
        })
    }
}
