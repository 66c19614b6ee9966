//! The functions that templates can call, with their signatures, against those of Helm 4.3.1
//! (`oracle/inventory.go`): none is missing here, none is more, none has another signature.

#![expect(clippy::unwrap_used, reason = "the checks of a test may panic")]

use std::collections::BTreeMap;

use helm_funcs::functions;
use helm_render::Sources;

const INVENTORY: &str = include_str!("testdata/inventory.txt");

/// A Go signature as ours are shown: an error beside the result goes without saying.
fn without_error(signature: &str) -> String {
    match signature.strip_suffix(", error)") {
        Some(start) => {
            let open = start.rfind('(').unwrap();
            format!("{}{}", &start[..open], &start[open + 1..])
        }
        None => signature.to_owned(),
    }
}

#[test]
fn functions_have_the_names_and_signatures_of_helm() {
    let helm: BTreeMap<&str, String> = INVENTORY
        .lines()
        .filter_map(|line| line.strip_prefix("func "))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, signature)| (name, without_error(signature)))
        .collect();
    assert!(helm.len() > 200, "only {} functions", helm.len());
    let ours = functions(&Sources::system());
    let ours: BTreeMap<&str, String> = ours
        .iter()
        .map(|(name, func)| (name.as_str(), format!("{func:?}")))
        .collect();
    let missing: Vec<_> = helm
        .keys()
        .filter(|name| !ours.contains_key(*name))
        .collect();
    let more: Vec<_> = ours
        .keys()
        .filter(|name| !helm.contains_key(*name))
        .collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "missing {missing:?}, more {more:?}"
    );
    let others: Vec<String> = helm
        .iter()
        .filter(|(name, signature)| ours[*name] != **signature)
        .map(|(name, signature)| format!("{name}: Helm {signature}, here {}", ours[name]))
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}
