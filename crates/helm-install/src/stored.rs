//! Reading what is stored of releases, whoever stored it.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::ListParams};
use kube_access::{Cluster, chain};

use crate::{
    Result,
    records::{Record, read},
};

/// How many records are asked for at once; each may have a megabyte.
const PAGE: u32 = 100;

/// Whose records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// All revisions of one release in the cluster's working namespace.
    Of(&'a str),
    /// Of all releases there.
    Here,
    /// Of all releases in all namespaces.
    Everywhere,
}

/// Records, in no order.
#[derive(Debug, Default)]
pub struct Stored {
    /// Those that can be read.
    pub records: Vec<Record>,
    /// The others: the name of the Secret, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Reads records. Helm passes over what it cannot read; here it is told.
///
/// # Errors
/// When they cannot be listed.
pub async fn stored(cluster: &Cluster, which: Which<'_>) -> Result<Stored> {
    let api: Api<Secret> = match which {
        Which::Everywhere => Api::all(cluster.client.clone()),
        Which::Of(_) | Which::Here => cluster.api(),
    };
    let labels = match which {
        Which::Of(name) => format!("owner=helm,name={name}"),
        Which::Here | Which::Everywhere => "owner=helm".to_owned(),
    };
    let mut params = ListParams::default().labels(&labels).limit(PAGE);
    let mut stored = Stored::default();
    loop {
        let page = cluster.answer(api.list(&params)).await;
        let page = page.map_err(|error| cluster.error(error))?;
        for secret in page.items {
            let name = secret.metadata.name.clone().unwrap_or_default();
            match read(secret) {
                Ok(record) => stored.records.push(record),
                Err(error) => stored.unreadable.push((name, chain(&error))),
            }
        }
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(stored),
        }
    }
}
