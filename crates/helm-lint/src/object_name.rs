//! Whether an object may be called so: the rules of Kubernetes for names, by kind.

use crate::object::Head;
use crate::{Fault, fault};

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// The name's mistakes, in Kubernetes' words.
pub(crate) fn check(head: &Head) -> Result<(), Fault> {
    let name = &head.name;
    let mistakes = match head.kind.to_lowercase().as_str() {
        "service" => service(name),
        "namespace" => label(name),
        "certificatesigningrequest" => Vec::new(),
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => path_segment(name),
        _ => subdomain(name),
    };
    if mistakes.is_empty() {
        return Ok(());
    }
    let quoted = gotmpl::fmt::quote(name.as_bytes());
    let told: Vec<String> = mistakes
        .iter()
        .map(|mistake| format!("metadata.name: Invalid value: {quoted}: {mistake}"))
        .collect();
    let told = match told.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    fault(format!(
        "object name does not conform to Kubernetes naming requirements: {quoted}: {told}"
    ))
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || c == '-')
}

fn too_long(name: &str, most: usize, unit: &str) -> Option<String> {
    (name.len() > most).then(|| format!("must be no more than {most} {unit}"))
}

fn subdomain(name: &str) -> Vec<String> {
    let illegal = (!name.split('.').all(is_label)).then(|| {
        format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
             and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{LABEL}(\\.{LABEL})*')"
        )
    });
    too_long(name, 253, "characters")
        .into_iter()
        .chain(illegal)
        .collect()
}

fn label(name: &str) -> Vec<String> {
    let illegal = (!is_label(name)).then(|| {
        if name.split('.').all(is_label) {
            return "must not contain dots".to_owned();
        }
        format!(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
             with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
        )
    });
    too_long(name, 63, "characters")
        .into_iter()
        .chain(illegal)
        .collect()
}

fn service(name: &str) -> Vec<String> {
    let fits = is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase());
    let illegal = (!fits).then(|| {
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
         and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
         '[a-z]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    });
    too_long(name, 63, "characters")
        .into_iter()
        .chain(illegal)
        .collect()
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let illegal = ["/", "%"].into_iter().filter(|part| name.contains(part));
    illegal
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}
