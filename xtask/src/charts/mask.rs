//! What of a chart's output is chance: keys, certificates, random words, times. It is looked over, never skipped: where two
//! runs of Helm differ, ours must have a word of the same form, and nothing else may differ.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The start of a PEM block in base64.
const PEM_IN_BASE64: &str = "LS0tLS1CRUdJTi";
const BEGIN: &str = "-----BEGIN ";

/// The first line in which `ours` differs from Helm's output, apart from what differs between two runs of Helm.
pub(super) fn difference(helm: &str, again: &str, ours: &str) -> Option<usize> {
    let [helm, again, ours] = [helm, again, ours].map(without_pem);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (helm, again, ours) = (lines(&helm), lines(&again), lines(&ours));
    let differs = |line: usize| match (helm.get(line), ours.get(line)) {
        (Some(helm), Some(ours)) => {
            helm != ours
                && !again
                    .get(line)
                    .is_some_and(|again| same_form(helm, again, ours))
        }
        (None, None) => false,
        _ => true,
    };
    (0..helm.len().max(ours.len())).find(|line| differs(*line))
}

/// Whether a line of ours has what two runs of Helm share, and words of the same characters where they differ.
fn same_form(helm: &str, again: &str, ours: &str) -> bool {
    if helm == again {
        return false;
    }
    let [helm, again, ours] = [helm, again, ours].map(words);
    helm.len() == ours.len()
        && helm.len() == again.len()
        && helm
            .iter()
            .zip(&again)
            .zip(&ours)
            .all(|((helm, again), ours)| {
                if helm == again {
                    helm == ours
                } else {
                    helm.len().abs_diff(ours.len()) <= helm.len().abs_diff(again.len()).max(2)
                }
            })
}

/// A line as words and what stands between them.
fn words(line: &str) -> Vec<&str> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || "+/=_.-".contains(c);
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let is_word = in_word(first);
        let end = rest.find(|c| in_word(c) != is_word).unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

/// The text with every PEM block, plain or in base64, replaced by its label: their length is chance too.
pub(super) fn without_pem(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let plain = rest.find(BEGIN);
        let coded = rest.find(PEM_IN_BASE64);
        match (plain, coded) {
            (Some(at), coded) if coded.is_none_or(|coded| at < coded) => {
                out.push_str(&rest[..at]);
                let label: String = rest[at + BEGIN.len()..]
                    .chars()
                    .take_while(|c| *c != '-')
                    .collect();
                let end = format!("-----END {label}-----");
                out.push_str("PEM ");
                out.push_str(&label);
                let after = rest[at..]
                    .find(&end)
                    .map_or(BEGIN.len(), |found| found + end.len());
                rest = &rest[at + after..];
            }
            (_, Some(at)) => {
                out.push_str(&rest[..at]);
                let code = &rest[at..];
                let end = code
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)))
                    .unwrap_or(code.len());
                match STANDARD.decode(&code[..end]) {
                    Ok(bytes) => out.push_str(&without_pem(&String::from_utf8_lossy(&bytes))),
                    Err(_) => out.push_str(&code[..end]),
                }
                rest = &code[end..];
            }
            _ => {
                out.push_str(rest);
                return out;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_chance_is_passed_over() {
        assert_eq!(
            difference("a: xyz1\nb: 1", "a: qrs2\nb: 1", "a: uvw3\nb: 1"),
            None
        );
        assert_eq!(
            difference("a: xyz1\nb: 1", "a: qrs2\nb: 1", "a: uvw3\nb: 2"),
            Some(1)
        );
        assert_eq!(difference("a: xyz1", "a: qrs2", "a:"), Some(0));
        assert_eq!(difference("a: xyz1", "a: qrs2", "b: xyz1"), Some(0));
        assert_eq!(difference("a: x", "a: x", "a: y"), Some(0));
        assert_eq!(difference("a: x", "a: x", "a: x\nb"), Some(1));
    }

    #[test]
    fn keys_and_certificates_are_known_by_their_label() {
        let pem = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")
        };
        let coded = |text: &str| format!("k: {}", STANDARD.encode(text));
        assert_eq!(
            without_pem(&pem("CERTIFICATE", "abc\ndef")),
            "PEM CERTIFICATE"
        );
        assert_eq!(
            without_pem(&coded(&pem("CERTIFICATE", "x"))),
            "k: PEM CERTIFICATE"
        );
        let (helm, ours) = (
            coded(&pem("CERTIFICATE", "x")),
            coded(&pem("RSA PRIVATE KEY", "x")),
        );
        assert_eq!(difference(&helm, &helm, &ours), Some(0));
    }
}
