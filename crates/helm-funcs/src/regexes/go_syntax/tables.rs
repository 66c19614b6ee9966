//! Classes by name.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The general categories that Go knows, and their long names.
const CATEGORIES: &str = "C Cc Cf Cn Co Cs L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi \
    Po Ps S Sc Sk Sm So Z Zl Zp Zs Cased_Letter Close_Punctuation Combining_Mark \
    Connector_Punctuation Control Currency_Symbol Dash_Punctuation Decimal_Number Enclosing_Mark \
    Final_Punctuation Format Initial_Punctuation Letter Letter_Number Line_Separator \
    Lowercase_Letter Mark Math_Symbol Modifier_Letter Modifier_Symbol Nonspacing_Mark Number \
    Open_Punctuation Other Other_Letter Other_Number Other_Punctuation Other_Symbol \
    Paragraph_Separator Private_Use Punctuation Separator Space_Separator Spacing_Mark Surrogate \
    Symbol Titlecase_Letter Unassigned Uppercase_Letter cntrl digit punct";

/// The scripts that Go finds by their names: those of one word.
const SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali \
    Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Carian Chakma Cham Cherokee Chorasmian \
    Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra Duployan Elbasan Elymaic \
    Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo \
    Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer \
    Khojki Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam \
    Mandaic Manichaean Marchen Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean \
    Nandinagari Newa Nko Nushu Ogham Oriya Osage Osmanya Palmyrene Phoenician Rejang Runic \
    Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo Sundanese Syriac \
    Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto \
    Ugaritic Vai Vithkuqi Wancho Yezidi Yi";

/// A name without what does not matter in it.
fn canonical(name: &str) -> String {
    let matters = |c: &char| !matches!(c, '_' | ' ' | '-');
    name.chars()
        .filter(matters)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The class that Unicode has under a name, if Go knows it.
pub(super) fn named(name: &str) -> Option<ClassUnicode> {
    let wanted = canonical(name);
    let known = |names: &'static str| {
        names
            .split_whitespace()
            .find(|known| canonical(known) == wanted)
    };
    match wanted.as_str() {
        "any" => return Some(range(0, u32::from(char::MAX))),
        "ascii" => return Some(range(0, 0x7f)),
        "assigned" => {
            let mut class = named("Cn")?;
            class.negate();
            return Some(class);
        }
        // No text has a surrogate.
        "cs" | "surrogate" => return Some(ClassUnicode::empty()),
        _ => {}
    }
    let property = match known(CATEGORIES) {
        Some(name) => format!("\\p{{gc={name}}}"),
        None => format!("\\p{{sc={}}}", known(SCRIPTS)?),
    };
    match regex_syntax::parse(&property).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// The ranges of POSIX's classes.
pub(super) fn posix(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// All characters with codes from `low` to `high`; surrogates are none.
pub(super) fn range(low: u32, high: u32) -> ClassUnicode {
    const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;
    let low = if SURROGATES.contains(&low) {
        0xe000
    } else {
        low
    };
    let high = if SURROGATES.contains(&high) {
        0xd7ff
    } else {
        high
    };
    match (char::from_u32(low), char::from_u32(high)) {
        (Some(low), Some(high)) if low <= high => {
            ClassUnicode::new([ClassUnicodeRange::new(low, high)])
        }
        _ => ClassUnicode::empty(),
    }
}

/// A character without regard to case.
pub(super) fn folded(c: char) -> ClassUnicode {
    let mut class = range(c.into(), c.into());
    class.case_fold_simple();
    class
}
